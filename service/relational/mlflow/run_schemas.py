"""Requests of MLflow's addresses of runs. A run is answered as PostgreSQL writes it."""

from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from service.relational.runs.schemas import MAX_LOGGED, MAX_TAG, MAX_USER
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
RunName = Annotated[Text, Field(max_length=MAX_TAG)]


def _or_uuid(run_id: object, info: ValidationInfo) -> object:
    """Return ``run_uuid`` if there is no ``run_id``; clients before 1.0 know the former alone."""
    found = run_id or info.data.get("run_uuid")
    if not found:
        raise PydanticCustomError("missing", "Field required")
    return found


class RunTag(MlflowRequest):
    """A tag; its value is empty if it is absent, and cut if it is long."""

    key: Key
    value: Text | None = None


class RunCreate(MlflowRequest):
    experiment_id: Annotated[Text, Field(min_length=1)]
    user_id: Annotated[Text, Field(max_length=MAX_USER)] | None = None
    run_name: RunName | None = None
    start_time: Milliseconds | None = None
    tags: list[RunTag] | None = Field(None, max_length=MAX_LOGGED)


class RunWanted(MlflowRequest):
    """Names the run to get, delete or restore; of the two names, one may be null."""

    run_uuid: Text | None = None
    run_id: Annotated[Text, BeforeValidator(_or_uuid)] = Field("", validate_default=True)


class RunUpdate(RunWanted):
    status: RunStatus | None = None
    end_time: Milliseconds | None = None
    run_name: RunName | None = None


class RunsSearch(MlflowRequest):
    experiment_ids: Ids | None = None
    filter: Text | None = None
    run_view_type: ViewType | None = None
    max_results: PageSize | None = None
    order_by: OrderBy | None = None
    page_token: Text | None = None


class RunDeleteTag(RunWanted):
    key: Text
