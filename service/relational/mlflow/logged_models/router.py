"""MLflow's addresses of logged models."""

from typing import Annotated

from fastapi import APIRouter, Response

from service.auth.caller import needs
from service.relational.logged_models.model_names import ModelOrder, OfDataset
from service.relational.logged_models.model_search import ModelReading, ModelSearch
from service.relational.logged_models.repository import LoggedModels, NewModel
from service.relational.mlflow.filters import LOGGED_MODELS, check_filter
from service.relational.mlflow.ids import experiment_id, known_ids, model_id, run_id
from service.relational.mlflow.logged_models.schemas import (
    DEFAULT_PAGE,
    ModelCreate,
    ModelFinish,
    ModelGet,
    ModelOrderBy,
    ModelParam,
    ModelParams,
    ModelsSearch,
    ModelTag,
    ModelTags,
    SearchedDataset,
)
from service.relational.mlflow.route import MlflowRoute
from service.web.mlflow.messages import EMPTY, Empty, request_of
from service.web.route import policy

router = APIRouter(prefix="/2.0/mlflow/logged-models", route_class=MlflowRoute)
READ, WRITE = [needs("experiments:read")], [needs("experiments:write")]


def _texts(pairs: list[ModelParam] | list[ModelTag] | None) -> dict[str, str]:
    return {pair.key: pair.value or "" for pair in pairs or ()}


def _model(text: str) -> Response:
    return Response(f'{{"model":{text}}}', media_type="application/json")


@router.post("", dependencies=WRITE)
async def mlflow_logged_models_create(
    wanted: Annotated[ModelCreate, request_of(ModelCreate)],
    models: LoggedModels,
    reader: ModelReading,
) -> Response:
    """Make a logged model, whose artifacts are uploaded next."""
    model = NewModel(
        wanted.name,
        wanted.model_type,
        run_id(wanted.source_run_id) if wanted.source_run_id else None,
        _texts(wanted.params),
        _texts(wanted.tags),
    )
    made = await models.add(experiment_id(wanted.experiment_id), model)
    return _model(await reader.get(made))


@router.post("/search", dependencies=READ)
@policy(read_only=True)
async def mlflow_logged_models_search(
    wanted: Annotated[ModelsSearch, request_of(ModelsSearch)], reader: ModelReading
) -> Response:
    """Return a page of logged models; unknown experiments have none."""
    search = ModelSearch(
        known_ids(wanted.experiment_ids or []),
        check_filter(wanted.filter, LOGGED_MODELS),
        [_dataset(one) for one in wanted.datasets or ()],
        [_order(one) for one in wanted.order_by or ()],
        wanted.max_results or DEFAULT_PAGE,
        wanted.page_token,
    )
    found = await reader.search(search)
    parts = [f'"models":[{",".join(found.models)}]'] if found.models else []
    if found.next_page_token:
        parts.append(f'"next_page_token":"{found.next_page_token}"')
    return Response(f"{{{','.join(parts)}}}", media_type="application/json")


def _dataset(wanted: SearchedDataset) -> OfDataset:
    return OfDataset(wanted.dataset_name, wanted.dataset_digest)


def _order(wanted: ModelOrderBy) -> ModelOrder:
    named = wanted.dataset_name
    dataset = OfDataset(named, wanted.dataset_digest) if named else None
    return ModelOrder(wanted.field_name, wanted.ascending is False, dataset)


@router.get("/{model}", dependencies=READ)
async def mlflow_logged_models_get(
    model: str, wanted: Annotated[ModelGet, request_of(ModelGet)], reader: ModelReading
) -> Response:
    """Return a logged model; a deleted one with ``allow_deleted`` alone."""
    return _model(await reader.get(model_id(model), deleted_too=bool(wanted.allow_deleted)))


@router.patch("/{model}", dependencies=WRITE)
async def mlflow_logged_models_finish(
    model: str,
    wanted: Annotated[ModelFinish, request_of(ModelFinish)],
    models: LoggedModels,
    reader: ModelReading,
) -> Response:
    """Set the status of a logged model."""
    await models.finish(model_id(model), wanted.status)
    return _model(await reader.get(model_id(model)))


@router.delete("/{model}", dependencies=WRITE)
async def mlflow_logged_models_delete(model: str, models: LoggedModels) -> Empty:
    """Delete a logged model, so that no search finds it."""
    await models.hide(model_id(model))
    return EMPTY


@router.post("/{model}/params", dependencies=WRITE)
async def mlflow_logged_models_add_params(
    model: str, wanted: Annotated[ModelParams, request_of(ModelParams)], models: LoggedModels
) -> Empty:
    """Add params to a logged model."""
    await models.add_params(model_id(model), _texts(wanted.params))
    return EMPTY


@router.patch("/{model}/tags", dependencies=WRITE)
async def mlflow_logged_models_set_tags(
    model: str, wanted: Annotated[ModelTags, request_of(ModelTags)], models: LoggedModels
) -> Empty:
    """Set tags of a logged model."""
    await models.set_tags(model_id(model), _texts(wanted.tags))
    return EMPTY


@router.delete("/{model}/tags/{key:path}", dependencies=WRITE)
async def mlflow_logged_models_delete_tag(model: str, key: str, models: LoggedModels) -> Empty:
    """Remove a tag of a logged model; 404 if there is none."""
    await models.remove_tag(model_id(model), key)
    return EMPTY
