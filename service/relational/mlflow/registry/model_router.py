"""MLflow's addresses of registered models and aliases."""

from collections import defaultdict
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter

from service.auth.caller import needs
from service.relational.mlflow.filters import REGISTERED_MODELS, check_filter
from service.relational.mlflow.registry.answers import (
    Done,
    ModelAnswer,
    ModelsFound,
    ModelVersion,
    RegisteredModel,
    VersionAnswer,
    VersionsFound,
)
from service.relational.mlflow.registry.messages import (
    AliasNamed,
    AliasSet,
    LatestWanted,
    ModelCreate,
    ModelDeleteTag,
    ModelNamed,
    ModelRename,
    ModelSearch,
    ModelSetTag,
    ModelUpdate,
    tags_of,
)
from service.relational.mlflow.route import MlflowRoute
from service.relational.model_registry.find import Search, Wanted
from service.relational.model_registry.repository import RegisteredModels
from service.relational.model_registry.schemas import RegisteredModelCreate, RegisteredModelUpdate
from service.relational.model_registry.version_schemas import VersionRead
from service.relational.model_registry.versions import Versions
from service.web.mlflow.messages import request_of
from service.web.route import policy

router = APIRouter(prefix="/2.0/mlflow/registered-models", route_class=MlflowRoute)
READ, WRITE = [needs("models:read")], [needs("models:write")]


@router.post("/create", dependencies=WRITE)
async def mlflow_registered_models_create(
    wanted: Annotated[ModelCreate, request_of(ModelCreate)], models: RegisteredModels
) -> ModelAnswer:
    """Register a model; its name is free again once it is deleted."""
    made = await models.add(
        RegisteredModelCreate.model_construct(
            name=wanted.name,
            description=wanted.description,
            project_id=None,
            tags=tags_of(wanted.tags),
        )
    )
    return ModelAnswer(registered_model=RegisteredModel.of(made))


@router.get("/get", dependencies=READ)
async def mlflow_registered_models_get(
    wanted: Annotated[ModelNamed, request_of(ModelNamed)],
    models: RegisteredModels,
    versions: Versions,
) -> ModelAnswer:
    """Return a registered model with the latest version of each stage."""
    return await _answer(models, versions, await models.id_of(wanted.name))


@router.post("/rename", dependencies=WRITE)
async def mlflow_registered_models_rename(
    wanted: Annotated[ModelRename, request_of(ModelRename)],
    models: RegisteredModels,
    versions: Versions,
) -> ModelAnswer:
    """Rename a model; versions, tags and aliases go along."""
    model_id = await models.id_of(wanted.name)
    await models.change(model_id, RegisteredModelUpdate(name=wanted.new_name), None)
    return await _answer(models, versions, model_id)


@router.patch("/update", dependencies=WRITE)
async def mlflow_registered_models_update(
    wanted: Annotated[ModelUpdate, request_of(ModelUpdate)],
    models: RegisteredModels,
    versions: Versions,
) -> ModelAnswer:
    """Change the description; without one it is removed."""
    model_id = await models.id_of(wanted.name)
    await models.change(model_id, RegisteredModelUpdate(description=wanted.description), None)
    return await _answer(models, versions, model_id)


@router.delete("/delete", dependencies=WRITE)
async def mlflow_registered_models_delete(
    wanted: Annotated[ModelNamed, request_of(ModelNamed)], models: RegisteredModels
) -> Done:
    """Delete a registered model and its versions."""
    await models.remove(await models.id_of(wanted.name), None)
    return Done()


@router.get("/search", dependencies=READ)
async def mlflow_registered_models_search(
    wanted: Annotated[ModelSearch, request_of(ModelSearch)], search: Search, versions: Versions
) -> ModelsFound:
    """Find registered models, and prompts if the filter asks for them."""
    text = check_filter(wanted.filter, REGISTERED_MODELS)
    page = Wanted(wanted.max_results, text, wanted.order_by or (), wanted.page_token)
    found = await search.models(page)
    latest = defaultdict[UUID, list[VersionRead]](list)
    for version in await versions.latest_of([model.id for model in found.items]):
        latest[version.model_id].append(version)
    models = [RegisteredModel.of(model, latest[model.id]) for model in found.items]
    return ModelsFound(registered_models=models or None, next_page_token=found.next_token)


@router.post("/set-tag", dependencies=WRITE)
async def mlflow_registered_models_set_tag(
    wanted: Annotated[ModelSetTag, request_of(ModelSetTag)], models: RegisteredModels
) -> Done:
    """Set a tag."""
    await models.set_tags(await models.id_of(wanted.name), {wanted.key: wanted.value or ""})
    return Done()


@router.delete("/delete-tag", dependencies=WRITE)
async def mlflow_registered_models_delete_tag(
    wanted: Annotated[ModelDeleteTag, request_of(ModelDeleteTag)], models: RegisteredModels
) -> Done:
    """Remove a tag, if there is one."""
    await models.set_tags(await models.id_of(wanted.name), {wanted.key: None})
    return Done()


@router.post("/alias", dependencies=WRITE)
async def mlflow_aliases_set(
    wanted: Annotated[AliasSet, request_of(AliasSet)], models: RegisteredModels
) -> Done:
    """Point an alias to a version; it leaves the version that had it."""
    await models.set_alias(await models.id_of(wanted.name), wanted.alias, wanted.version)
    return Done()


@router.get("/alias", dependencies=READ)
async def mlflow_aliases_get(
    wanted: Annotated[AliasNamed, request_of(AliasNamed)],
    models: RegisteredModels,
    versions: Versions,
) -> VersionAnswer:
    """Return the version of an alias; clients take an unknown one for a mistake of theirs."""
    model_id = await models.id_of(wanted.name)
    found = await versions.by_alias(model_id, wanted.alias)
    return VersionAnswer(model_version=ModelVersion.of(found))


@router.delete("/alias", dependencies=WRITE)
async def mlflow_aliases_delete(
    wanted: Annotated[AliasNamed, request_of(AliasNamed)], models: RegisteredModels
) -> Done:
    """Remove an alias, if there is one."""
    await models.remove_alias(await models.id_of(wanted.name), wanted.alias)
    return Done()


@router.get("/get-latest-versions", dependencies=READ)
@router.post("/get-latest-versions", dependencies=READ)
@policy(read_only=True)
async def mlflow_latest_versions(
    wanted: Annotated[LatestWanted, request_of(LatestWanted)],
    models: RegisteredModels,
    versions: Versions,
) -> VersionsFound:
    """Return the version with the greatest number in each stage, or in these stages."""
    found = await versions.latest_of([await models.id_of(wanted.name)])
    shown = [one for one in found if not wanted.stages or one.stage in wanted.stages]
    return VersionsFound(model_versions=[ModelVersion.of(one) for one in shown] or None)


async def _answer(models: RegisteredModels, versions: Versions, model_id: UUID) -> ModelAnswer:
    latest = await versions.latest_of([model_id])
    return ModelAnswer(registered_model=RegisteredModel.of(await models.get(model_id), latest))
