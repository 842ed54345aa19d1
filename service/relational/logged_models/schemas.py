"""Schemas of logged models, and of the inputs and outputs of runs."""

from typing import Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from service.relational.runs.schemas import MetricValue
from service.web.lists.pagination import ListQuery
from service.web.schemas import ExactText, Moment, ResponseModel

ModelStatus = Literal["PENDING", "READY", "UPLOAD_FAILED"]


class LatestModelMetric(ResponseModel):
    """The point of a metric with the greatest step; of each dataset that it was measured on."""

    model_config = ConfigDict(ser_json_inf_nan="strings")

    key: str
    value: MetricValue
    step: int
    timestamp_ms: int = Field(description="milliseconds since 1970, as the client sent them")
    run_id: UUID = Field(description="the run that logged it; it may be purged")
    dataset_name: str | None
    dataset_digest: str | None


class LoggedModelRead(ResponseModel):
    """A model that was logged in an experiment; PENDING until its artifacts are uploaded."""

    id: UUID
    experiment_id: UUID
    name: str
    model_type: str | None
    source_run_id: UUID | None = Field(description="null also where the run was purged")
    status: ModelStatus
    params: dict[str, str]
    tags: dict[str, str]
    metrics: list[LatestModelMetric]
    created_at: Moment
    updated_at: Moment


class LoggedModelQuery(ListQuery):
    sort: Literal["created_at", "-created_at"] = "-created_at"
    name: ExactText | None = Field(None, description="the exact name")


class DatasetRead(ResponseModel):
    """A dataset as a run's input; MLflow's addresses answer its schema and profile too."""

    name: str
    digest: str
    source_type: str
    source: str = Field(description="where it is, as the client wrote it: mostly JSON")
    context: str | None = Field(description="what the run used it for, such as `training`")
    tags: dict[str, str]


class OutputModel(ResponseModel):
    model_id: UUID
    step: int


class RunInputsRead(ResponseModel):
    """Inputs of a run, and the logged models that it made, with the step of each."""

    datasets: list[DatasetRead]
    input_models: list[UUID]
    output_models: list[OutputModel]


class LoggedModelPurged(ResponseModel):
    """The result of a purge; repeat it with a new Idempotency-Key, or none, until ``complete``."""

    complete: bool
