"""Requests of MLflow's addresses of runs. A run is answered as PostgreSQL writes it."""

from typing import Annotated

from pydantic import AliasChoices, Field

from service.relational.runs.schemas import MAX_LOGGED
from service.web.mlflow.messages import MlflowRequest
from service.web.mlflow.values import (
    Ids,
    Key,
    Milliseconds,
    OrderBy,
    PageSize,
    RunStatus,
    Text,
    ViewType,
)

DEFAULT_PAGE = 1000
# Clients send both names; those before 1.0 know `run_uuid` alone.
RunId = Annotated[Text, Field(min_length=1, validation_alias=AliasChoices("run_id", "run_uuid"))]


class RunTag(MlflowRequest):
    """A tag; its value is empty if it is absent, and cut if it is long."""

    key: Key
    value: Text | None = None


class RunCreate(MlflowRequest):
    experiment_id: Annotated[Text, Field(min_length=1)]
    user_id: Text | None = None
    run_name: Text | None = None
    start_time: Milliseconds | None = None
    tags: list[RunTag] | None = Field(None, max_length=MAX_LOGGED)


class RunWanted(MlflowRequest):
    """Names the run to get, delete or restore."""

    run_id: RunId


class RunUpdate(RunWanted):
    status: RunStatus | None = None
    end_time: Milliseconds | None = None
    run_name: Text | None = None


class RunsSearch(MlflowRequest):
    experiment_ids: Ids | None = None
    filter: Text | None = None
    run_view_type: ViewType | None = None
    max_results: PageSize | None = None
    order_by: OrderBy | None = None
    page_token: Text | None = None


class RunDeleteTag(RunWanted):
    key: Text
