"""Requests of MLflow's addresses of logged models. A model is answered as PostgreSQL writes it."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from service.web.mlflow.messages import MlflowRequest
from service.web.mlflow.values import MAX_NAMES, Ids, Key, PageSize, Text

MAX_TAG_CHARS = 100_000
MAX_TEXTS = 1000  # params or tags of a request; clients send 100
DEFAULT_PAGE = 50
_FORBIDDEN = "/:.%\"'"


def _usable_name(name: str) -> str:
    """Return the name of a logged model, which is a part of addresses and paths."""
    if not set(name).isdisjoint(_FORBIDDEN):
        raise ValueError(f"send a name without {' '.join(_FORBIDDEN)}")
    return name


def _plain_status(value: object) -> object:
    """Read a number of the protobuf enum, or a name of it, as the name that is stored."""
    numbers = {"1": "PENDING", "2": "READY", "3": "UPLOAD_FAILED"}
    return numbers.get(str(value), str(value).removeprefix("LOGGED_MODEL_"))


ModelName = Annotated[Text, Field(max_length=500), AfterValidator(_usable_name)]
Status = Annotated[Literal["PENDING", "READY", "UPLOAD_FAILED"], BeforeValidator(_plain_status)]


class ModelParam(MlflowRequest):
    """A param; its value is empty if it is absent, and cut if it is long."""

    key: Key
    value: Text | None = None


class ModelTag(MlflowRequest):
    key: Key
    value: Annotated[Text, Field(max_length=MAX_TAG_CHARS)] | None = None


class ModelParams(MlflowRequest):
    params: list[ModelParam] | None = Field(None, max_length=MAX_TEXTS)


class ModelTags(MlflowRequest):
    tags: list[ModelTag] | None = Field(None, max_length=MAX_TEXTS)


class ModelCreate(ModelParams, ModelTags):
    experiment_id: Annotated[Text, Field(min_length=1)]
    name: ModelName | None = None
    model_type: Annotated[Text, Field(max_length=500)] | None = None
    source_run_id: Text | None = None


class ModelFinish(MlflowRequest):
    status: Status


class ModelGet(MlflowRequest):
    allow_deleted: bool | None = None


class SearchedDataset(MlflowRequest):
    dataset_name: Annotated[Text, Field(min_length=1)]
    dataset_digest: Text | None = None


class ModelOrderBy(MlflowRequest):
    field_name: Annotated[Text, Field(min_length=1)]
    ascending: bool | None = None
    dataset_name: Text | None = None
    dataset_digest: Text | None = None


class ModelsSearch(MlflowRequest):
    experiment_ids: Ids | None = None
    filter: Text | None = None
    datasets: list[SearchedDataset] | None = Field(None, max_length=100)
    max_results: PageSize | None = None
    order_by: list[ModelOrderBy] | None = Field(None, max_length=MAX_NAMES)
    page_token: Text | None = None
