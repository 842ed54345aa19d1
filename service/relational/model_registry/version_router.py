"""Routes of the versions of a registered model."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query

from service.auth.caller import ModelForbidden, NotYours, needs
from service.relational.model_registry.register import Registration
from service.relational.model_registry.repository import (
    ModelVersionNotFound,
    RegisteredModelNotFound,
)
from service.relational.model_registry.sources import SourceInvalid
from service.relational.model_registry.version_schemas import (
    VersionCreate,
    VersionQuery,
    VersionRead,
    VersionUpdate,
)
from service.relational.model_registry.versions import Versions
from service.relational.runs.repository import RunNotFound
from service.stores.sql.route import SqlRoute
from service.web.conditional import IfMatch, Reply
from service.web.lists.pagination import Page
from service.web.openapi import problems
from service.web.schemas import ExactText

router = APIRouter(
    prefix="/registered_models/{registered_model_id}/versions",
    tags=["registry"],
    route_class=SqlRoute,
)
ONE = "/{number_or_alias}"
NumberOrAlias = Annotated[
    ExactText,
    Path(max_length=255, description="`3`, an alias such as `champion`, or `latest`"),
]


@router.post(
    "",
    status_code=201,
    dependencies=[needs("models:write")],
    responses=problems(
        RegisteredModelNotFound, RunNotFound, NotYours, ModelForbidden, SourceInvalid
    ),
)
async def model_versions_create(
    registered_model_id: UUID, version: VersionCreate, registration: Registration, reply: Reply
) -> VersionRead:
    """Publish the next version: of a run, of a logged model, or of files elsewhere.

    Numbers count from 1. That of a deleted version is not given again.
    """
    made = await registration.register(registered_model_id, version)
    return reply.created(made, made.number)


@router.get("", dependencies=[needs("models:read")], responses=problems(RegisteredModelNotFound))
async def model_versions_list(
    registered_model_id: UUID, query: Annotated[VersionQuery, Query()], versions: Versions
) -> Page[VersionRead]:
    """List the versions of a registered model."""
    return await versions.list_of(registered_model_id, query)


@router.get(
    ONE,
    dependencies=[needs("models:read")],
    responses=problems(ModelVersionNotFound, cached=True),
)
async def model_versions_get(
    registered_model_id: UUID, number_or_alias: NumberOrAlias, versions: Versions, reply: Reply
) -> VersionRead:
    """Return the version that a number or an alias names."""
    return reply.ok(await versions.get_of(registered_model_id, number_or_alias))


@router.patch(
    ONE,
    dependencies=[needs("models:write")],
    responses=problems(
        RegisteredModelNotFound, ModelVersionNotFound, NotYours, ModelForbidden, if_match=True
    ),
)
async def model_versions_update(
    registered_model_id: UUID,
    number_or_alias: NumberOrAlias,
    change: VersionUpdate,
    versions: Versions,
    expected: IfMatch,
    reply: Reply,
) -> VersionRead:
    """Change the stage, the description or tags of a version."""
    changed = await versions.change_of(registered_model_id, number_or_alias, change, expected)
    return reply.updated(changed)


@router.delete(
    ONE,
    status_code=204,
    dependencies=[needs("models:write")],
    responses=problems(
        RegisteredModelNotFound, ModelVersionNotFound, NotYours, ModelForbidden, if_match=True
    ),
)
async def model_versions_delete(
    registered_model_id: UUID, number_or_alias: NumberOrAlias, versions: Versions, expected: IfMatch
) -> None:
    """Remove a version with its aliases for good; its number is not given again."""
    await versions.remove_of(registered_model_id, number_or_alias, expected)
