"""MLflow's addresses of the versions of registered models."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter

from service.auth.caller import needs
from service.core.errors import Refused
from service.relational.mlflow.filters import MODEL_VERSIONS, check_filter
from service.relational.mlflow.registry.answers import (
    ArtifactUri,
    Done,
    ModelVersion,
    VersionAnswer,
    VersionsFound,
)
from service.relational.mlflow.registry.messages import (
    StageTransition,
    VersionCreate,
    VersionDeleteTag,
    VersionNamed,
    VersionSearch,
    VersionSetTag,
    VersionUpdate,
    tags_of,
)
from service.relational.mlflow.route import MlflowRoute
from service.relational.model_registry import version_schemas
from service.relational.model_registry.find import Search, Wanted
from service.relational.model_registry.register import Registration
from service.relational.model_registry.repository import RegisteredModels
from service.relational.model_registry.rules import SERVING
from service.relational.model_registry.versions import Versions
from service.web.mlflow.messages import request_of

router = APIRouter(prefix="/2.0/mlflow/model-versions", route_class=MlflowRoute)
READ, WRITE = [needs("models:read")], [needs("models:write")]


class NotServing(Refused):
    code, title = "not_serving", "Only Staging and Production archive other versions"
    pointer = "/archive_existing_versions"


@router.post("/create", dependencies=WRITE)
async def mlflow_model_versions_create(
    wanted: Annotated[VersionCreate, request_of(VersionCreate)],
    models: RegisteredModels,
    registration: Registration,
) -> VersionAnswer:
    """Publish the next version of a model; it is READY at once."""
    version = version_schemas.VersionCreate.model_construct(
        source=wanted.source,
        run_id=wanted.run_id or None,
        artifact_path=None,
        logged_model_id=wanted.model_id or None,
        run_link=wanted.run_link or None,
        description=wanted.description,
        tags=tags_of(wanted.tags),
    )
    made = await registration.register(await models.id_of(wanted.name), version)
    return VersionAnswer(model_version=ModelVersion.of(made))


@router.get("/get", dependencies=READ)
async def mlflow_model_versions_get(
    wanted: Annotated[VersionNamed, request_of(VersionNamed)],
    models: RegisteredModels,
    versions: Versions,
) -> VersionAnswer:
    """Return a version."""
    found = await versions.get_of(await models.id_of(wanted.name), wanted.version)
    return VersionAnswer(model_version=ModelVersion.of(found))


@router.patch("/update", dependencies=WRITE)
async def mlflow_model_versions_update(
    wanted: Annotated[VersionUpdate, request_of(VersionUpdate)],
    models: RegisteredModels,
    versions: Versions,
) -> VersionAnswer:
    """Change the description; without one it is removed."""
    change = version_schemas.VersionUpdate(description=wanted.description)
    return await _changed(versions, await models.id_of(wanted.name), wanted.version, change)


@router.delete("/delete", dependencies=WRITE)
async def mlflow_model_versions_delete(
    wanted: Annotated[VersionNamed, request_of(VersionNamed)],
    models: RegisteredModels,
    versions: Versions,
) -> Done:
    """Delete a version and its aliases; its number is not given again."""
    await versions.remove_of(await models.id_of(wanted.name), wanted.version, None)
    return Done()


@router.get("/get-download-uri", dependencies=READ)
async def mlflow_model_versions_get_download_uri(
    wanted: Annotated[VersionNamed, request_of(VersionNamed)],
    models: RegisteredModels,
    versions: Versions,
) -> ArtifactUri:
    """Return where the files of a version are."""
    found = await versions.get_of(await models.id_of(wanted.name), wanted.version)
    return ArtifactUri(artifact_uri=found.location)


@router.get("/search", dependencies=READ)
async def mlflow_model_versions_search(
    wanted: Annotated[VersionSearch, request_of(VersionSearch)], search: Search
) -> VersionsFound:
    """Find versions of models, and of prompts if the filter asks for them."""
    text = check_filter(wanted.filter, MODEL_VERSIONS)
    page = Wanted(wanted.max_results, text, wanted.order_by or (), wanted.page_token)
    found = await search.versions(page)
    shown = [ModelVersion.of(version) for version in found.items]
    return VersionsFound(model_versions=shown or None, next_page_token=found.next_token)


@router.post("/transition-stage", dependencies=WRITE)
async def mlflow_model_versions_transition_stage(
    wanted: Annotated[StageTransition, request_of(StageTransition)],
    models: RegisteredModels,
    versions: Versions,
) -> VersionAnswer:
    """Move a version to a stage, and the others of a serving stage to Archived if wanted."""
    archives = bool(wanted.archive_existing_versions)
    if archives and wanted.stage not in SERVING:
        raise NotServing
    change = version_schemas.VersionUpdate(stage=wanted.stage, archive_existing=archives)
    return await _changed(versions, await models.id_of(wanted.name), wanted.version, change)


@router.post("/set-tag", dependencies=WRITE)
async def mlflow_model_versions_set_tag(
    wanted: Annotated[VersionSetTag, request_of(VersionSetTag)],
    models: RegisteredModels,
    versions: Versions,
) -> Done:
    """Set a tag."""
    tags = {wanted.key: wanted.value or ""}
    await versions.set_tags(await models.id_of(wanted.name), wanted.version, tags)
    return Done()


@router.delete("/delete-tag", dependencies=WRITE)
async def mlflow_model_versions_delete_tag(
    wanted: Annotated[VersionDeleteTag, request_of(VersionDeleteTag)],
    models: RegisteredModels,
    versions: Versions,
) -> Done:
    """Remove a tag, if there is one."""
    tags = {wanted.key: None}
    await versions.set_tags(await models.id_of(wanted.name), wanted.version, tags)
    return Done()


async def _changed(
    versions: Versions, model_id: UUID, number: int, change: version_schemas.VersionUpdate
) -> VersionAnswer:
    changed = await versions.change_of(model_id, number, change, None)
    return VersionAnswer(model_version=ModelVersion.of(changed))
