"""Requests that log to a run: a batch, or one metric, param or tag, which is a batch of one."""

from typing import Annotated

from pydantic import Field, model_validator

from service.relational.mlflow.run_schemas import RunTag, RunWanted
from service.web.mlflow.messages import MlflowRequest
from service.web.mlflow.values import Int64, Key, Number, Text, Timestamp, cut

MAX_PARAM_CHARS = 6000
MAX_METRICS, MAX_PARAMS, MAX_TAGS, MAX_TOGETHER = 1000, 100, 100, 1000
ParamValue = Annotated[Text, cut(MAX_PARAM_CHARS)]


class Metric(MlflowRequest):
    """A point of a metric. With ``model_id`` it belongs to a logged model too."""

    key: Key
    value: Number
    timestamp: Timestamp
    step: Int64 | None = None
    model_id: Text | None = None
    dataset_name: Text | None = None
    dataset_digest: Text | None = None


class Param(MlflowRequest):
    key: Key
    value: ParamValue | None = None


class LogMetric(Metric, RunWanted):
    pass


class LogParam(Param, RunWanted):
    pass


class SetTag(RunTag, RunWanted):
    pass


class LogBatch(RunWanted):
    metrics: list[Metric] | None = Field(None, max_length=MAX_METRICS)
    params: list[Param] | None = Field(None, max_length=MAX_PARAMS)
    tags: list[RunTag] | None = Field(None, max_length=MAX_TAGS)

    @model_validator(mode="after")
    def _not_too_many(self) -> "LogBatch":
        count = sum(map(len, (self.metrics or (), self.params or (), self.tags or ())))
        if count > MAX_TOGETHER:
            raise ValueError(f"send at most {MAX_TOGETHER} metrics, params and tags together")
        return self

    @model_validator(mode="after")
    def _each_param_once(self) -> "LogBatch":
        keys = [param.key for param in self.params or ()]
        if len(set(keys)) < len(keys):
            raise ValueError("send each param once")
        return self


class LogModel(RunWanted):
    """What clients before 3.0 say of a model that they have logged: its MLmodel file as JSON."""

    model_json: Text
