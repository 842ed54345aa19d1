"""Requests that log to a run: a batch, or one metric, param or tag, which is a batch of one."""

from collections.abc import Iterable
from typing import Annotated, Self

import msgspec
from pydantic import AfterValidator, Field, model_validator

from service.relational.logged_models.log_metrics import ModelPoint
from service.relational.mlflow.ids import model_id
from service.relational.mlflow.logged_models.input_schemas import DatasetDigest, DatasetName
from service.relational.mlflow.run_schemas import RunTag, RunWanted
from service.relational.runs.schemas import Point
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
    dataset_name: DatasetName | None = None
    dataset_digest: DatasetDigest | None = None


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


def _json_object(text: str) -> str:
    """Return the text of a JSON object.

    Raises:
        ValueError: it is none, has NaN, or is nested without end.
    """
    try:
        msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        return msgspec.json.format(text, indent=-1)
    except (msgspec.MsgspecError, RecursionError):
        raise ValueError("send the MLmodel file as a JSON object, as text") from None


class LogModel(RunWanted):
    """A model as clients before 3.0 describe it once it is logged: its MLmodel file, as JSON."""

    model_json: Annotated[Text, AfterValidator(_json_object)]


def points(metrics: Iterable[Metric]) -> list[Point]:
    """Return the points of the run's metrics."""
    return [Point(one.key, one.value, one.timestamp, one.step or 0) for one in metrics]


def model_points(metrics: Iterable[Metric]) -> list[ModelPoint]:
    """Return the points that belong to logged models too; raise NotFound for what is no id."""
    return [
        ModelPoint(
            model_id(one.model_id),
            one.key,
            one.value,
            one.timestamp,
            one.step or 0,
            one.dataset_name or "",
            one.dataset_digest or "",
        )
        for one in metrics
        if one.model_id
    ]


def texts(pairs: Iterable[Param | RunTag] | None) -> dict[str, str]:
    """Return params or tags by their keys; the last of several of one key counts."""
    return {pair.key: pair.value or "" for pair in pairs or ()}
