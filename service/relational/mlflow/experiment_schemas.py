"""Requests of MLflow's addresses of experiments, and an experiment as it is answered."""

from typing import Annotated

from pydantic import Field

from service.web.mlflow.messages import MlflowRequest, MlflowResponse
from service.web.mlflow.values import Key, PageSize, Text, ViewType

MAX_TAG_CHARS = 20_000
DEFAULT_PAGE = 1000
Id = Annotated[Text, Field(min_length=1)]
Name = Annotated[Text, Field(min_length=1, max_length=500)]
TagValue = Annotated[Text, Field(max_length=MAX_TAG_CHARS)]


class ExperimentTag(MlflowRequest):
    key: Key
    value: TagValue | None = None


class ExperimentCreate(MlflowRequest):
    name: Name
    artifact_location: Text | None = None
    tags: list[ExperimentTag] | None = None


class ExperimentWanted(MlflowRequest):
    """Names the experiment to get, delete or restore."""

    experiment_id: Id


class ExperimentByName(MlflowRequest):
    experiment_name: Text


class ExperimentSearch(MlflowRequest):
    max_results: PageSize | None = None
    page_token: Text | None = None
    filter: Text | None = None
    order_by: list[Text] | None = None
    view_type: ViewType | None = None


class ExperimentUpdate(ExperimentWanted):
    new_name: Name | None = None


class ExperimentSetTag(ExperimentWanted):
    key: Key
    value: TagValue | None = None


class ExperimentDeleteTag(ExperimentWanted):
    key: Text


class ExperimentCreated(MlflowResponse):
    experiment_id: str


class Tag(MlflowResponse):
    key: str
    value: str


class ExperimentRead(MlflowResponse):
    """An experiment; times are in milliseconds since 1970."""

    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: str
    creation_time: int
    last_update_time: int
    tags: list[Tag] | None


class ExperimentAnswer(MlflowResponse):
    experiment: ExperimentRead


class ExperimentsFound(MlflowResponse):
    experiments: list[ExperimentRead] | None
    next_page_token: str | None
