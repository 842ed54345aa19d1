"""Requests that log to a run: a batch, or one metric, param or tag, which is a batch of one."""

from collections.abc import Iterable
from typing import Self

from pydantic import Field, model_validator

from service.relational.mlflow.run_schemas import RunTag, RunWanted
from service.relational.runs.log import Point
from service.web.mlflow.messages import MlflowRequest
from service.web.mlflow.values import Int64, Key, Number, Text, Timestamp

MAX_METRICS, MAX_PARAMS, MAX_TAGS, MAX_TOGETHER = 1000, 100, 100, 1000


class Metric(MlflowRequest):
    """A point of a metric; with ``model_id`` it is a logged model's too."""

    key: Key
    value: Number
    timestamp: Timestamp
    step: Int64 | None = None
    model_id: Text | None = None
    dataset_name: Text | None = None
    dataset_digest: Text | None = None


class Param(MlflowRequest):
    """A param; its value is empty if it is absent, and cut if it is long."""

    key: Key
    value: Text | None = None


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
    def _within_limits(self) -> Self:
        count = sum(map(len, (self.metrics or (), self.params or (), self.tags or ())))
        if count > MAX_TOGETHER:
            raise ValueError(f"send at most {MAX_TOGETHER} metrics, params and tags together")
        if len(texts(self.params)) < len(self.params or ()):
            raise ValueError("send each param once")
        return self


class LogModel(RunWanted):
    """What clients before 3.0 tell of a model that they logged: its MLmodel file, as JSON."""

    model_json: Text


def points(metrics: Iterable[Metric] | None) -> list[Point]:
    """Return the points of metrics."""
    return [
        Point(metric.key, metric.value, metric.timestamp, metric.step or 0)
        for metric in metrics or ()
    ]


def texts(pairs: Iterable[Param | RunTag] | None) -> dict[str, str]:
    """Return params or tags by their keys; the last of several of one key counts."""
    return {pair.key: pair.value or "" for pair in pairs or ()}
