"""Routes of registered models and their aliases."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query

from service.auth.caller import ModelForbidden, NotYours, needs
from service.relational.model_registry.repository import (
    ModelVersionNotFound,
    RegisteredModelNameTaken,
    RegisteredModelNotFound,
    RegisteredModels,
)
from service.relational.model_registry.rules import Alias, NewAlias
from service.relational.model_registry.schemas import (
    AliasUpdate,
    RegisteredModelCreate,
    RegisteredModelQuery,
    RegisteredModelRead,
    RegisteredModelUpdate,
)
from service.relational.projects.repository import ProjectNotFound, ProjectRoleTooWeak
from service.stores.sql.route import SqlRoute
from service.web.conditional import IfMatch, Reply
from service.web.lists.pagination import Page
from service.web.openapi import problems

router = APIRouter(prefix="/registered_models", tags=["registry"], route_class=SqlRoute)
ONE = "/{registered_model_id}"
_TEXT = Path(description="letters, digits, _ and -")


@router.post(
    "",
    status_code=201,
    dependencies=[needs("models:write")],
    responses=problems(
        RegisteredModelNameTaken, ProjectNotFound, ProjectRoleTooWeak, ModelForbidden
    ),
)
async def registered_models_create(
    model: RegisteredModelCreate, models: RegisteredModels, reply: Reply
) -> RegisteredModelRead:
    """Register a model: a name for versions to come.

    It is the `model` of prediction events, whose `version` is a number or an alias.
    """
    made = await models.add(model)
    return reply.created(made, made.id)


@router.get("", dependencies=[needs("models:read")], responses=problems())
async def registered_models_list(
    query: Annotated[RegisteredModelQuery, Query()], models: RegisteredModels
) -> Page[RegisteredModelRead]:
    """List registered models: shared ones, and those of your projects."""
    return await models.list(query)


@router.get(
    ONE,
    dependencies=[needs("models:read")],
    responses=problems(RegisteredModelNotFound, cached=True),
)
async def registered_models_get(
    registered_model_id: UUID, models: RegisteredModels, reply: Reply
) -> RegisteredModelRead:
    """Return one registered model; the list finds it by its name."""
    return reply.ok(await models.get(registered_model_id))


@router.patch(
    ONE,
    dependencies=[needs("models:write")],
    responses=problems(
        RegisteredModelNotFound, RegisteredModelNameTaken, NotYours, ModelForbidden,
        ProjectNotFound, ProjectRoleTooWeak, if_match=True,
    ),
)  # fmt: skip
async def registered_models_update(
    registered_model_id: UUID,
    change: RegisteredModelUpdate,
    models: RegisteredModels,
    expected: IfMatch,
    reply: Reply,
) -> RegisteredModelRead:
    """Change fields and tags. A new name takes versions and aliases along."""
    return reply.updated(await models.change(registered_model_id, change, expected))


@router.delete(
    ONE,
    status_code=204,
    dependencies=[needs("models:write")],
    responses=problems(RegisteredModelNotFound, NotYours, ModelForbidden, if_match=True),
)
async def registered_models_delete(
    registered_model_id: UUID, models: RegisteredModels, expected: IfMatch
) -> None:
    """Remove a registered model with its versions for good; its name is free again."""
    await models.remove(registered_model_id, expected)


@router.put(
    ONE + "/aliases/{alias}",
    dependencies=[needs("models:write")],
    responses=problems(
        RegisteredModelNotFound, ModelVersionNotFound, NotYours, ModelForbidden, if_match=True
    ),
)
async def model_aliases_put(
    registered_model_id: UUID,
    alias: Annotated[NewAlias, _TEXT],
    change: AliasUpdate,
    models: RegisteredModels,
    expected: IfMatch,
    reply: Reply,
) -> RegisteredModelRead:
    """Point an alias to a version; `If-Match` is of the registered model."""
    made = await models.set_alias(registered_model_id, alias, change.number, expected)
    return reply.updated(made)


@router.delete(
    ONE + "/aliases/{alias}",
    status_code=204,
    dependencies=[needs("models:write")],
    responses=problems(RegisteredModelNotFound, NotYours, ModelForbidden, if_match=True),
)
async def model_aliases_delete(
    registered_model_id: UUID,
    alias: Annotated[Alias, _TEXT],
    models: RegisteredModels,
    expected: IfMatch,
) -> None:
    """Remove an alias; its version stays."""
    await models.remove_alias(registered_model_id, alias, expected)
