"""Requests of MLflow's addresses of runs. A run is answered as PostgreSQL writes it."""

from typing import Annotated

from pydantic import AliasChoices, Field

from service.web.mlflow.messages import MlflowRequest
from service.web.mlflow.values import (
    Key,
    Milliseconds,
    PageSize,
    RunStatus,
    Text,
    ViewType,
    cut,
)

MAX_TAG_CHARS = 8000
DEFAULT_PAGE = 1000
RunId = Annotated[
    Text, Field(min_length=1, validation_alias=AliasChoices("run_id", "run_uuid"))
]  # clients send both; those before 1.0 knew run_uuid alone
TagValue = Annotated[Text, cut(MAX_TAG_CHARS)]


class RunTag(MlflowRequest):
    key: Key
    value: TagValue | None = None


class RunCreate(MlflowRequest):
    experiment_id: Annotated[Text, Field(min_length=1)]
    user_id: Text | None = None
    run_name: Text | None = None
    start_time: Milliseconds | None = None
    tags: list[RunTag] | None = None


class RunWanted(MlflowRequest):
    """Names the run to get, delete or restore."""

    run_id: RunId


class RunUpdate(RunWanted):
    status: RunStatus | None = None
    end_time: Milliseconds | None = None
    run_name: Text | None = None


class RunSearch(MlflowRequest):
    experiment_ids: list[Text] | None = None
    filter: Text | None = None
    run_view_type: ViewType | None = None
    max_results: PageSize | None = None
    order_by: list[Text] | None = None
    page_token: Text | None = None


class RunDeleteTag(RunWanted):
    key: Text
