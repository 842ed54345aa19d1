"""Schemas of runs, and of what is logged to them."""

import time
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

from pydantic import MISSING, BeforeValidator, ConfigDict, Field, WithJsonSchema

from service.relational.experiments.schemas import Key
from service.web.schemas import (
    EXAMPLE_ID,
    ExactText,
    Moment,
    RequestModel,
    ResponseModel,
    StrictInt,
    Time,
    Versioned,
)

MAX_PARAM, MAX_TAG = 6000, 8000  # characters of a value
MAX_USER = 250  # characters of a user's name
MAX_LOGGED = 1000  # of each kind in a batch
RunStatus = Literal["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]
SPECIAL = ("NaN", "Infinity", "-Infinity")
INT64 = 2**63


def _value(value: Any) -> Any:
    if isinstance(value, bool) or (isinstance(value, str) and value not in SPECIAL):
        raise ValueError('must be a number, or "NaN", "Infinity" or "-Infinity"')
    return value


MetricValue = Annotated[
    float,
    BeforeValidator(_value),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "enum": list(SPECIAL)}]}),
]
Int64 = Annotated[StrictInt, Field(ge=-INT64, lt=INT64)]
Milliseconds = Annotated[StrictInt, Field(ge=0, lt=INT64)]
ParamValue = Annotated[ExactText, Field(max_length=MAX_PARAM)]
TagValue = Annotated[ExactText, Field(max_length=MAX_TAG)]
RunName = Annotated[ExactText, Field(min_length=1, max_length=MAX_TAG)]
RunTags = Annotated[dict[Key, TagValue], Field(max_length=MAX_LOGGED)]


class RunCreate(RequestModel):
    """A new run of an experiment; its status is RUNNING."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"experiment_id": EXAMPLE_ID, "name": "resnet", "tags": {"team": "A"}}
        }
    )

    experiment_id: UUID
    id: UUID | None = Field(None, description="its own, such as another server's; else a new one")
    name: RunName | None = Field(None, description="invented where it is null")
    user_name: Annotated[ExactText, Field(max_length=MAX_USER)] | None = Field(
        None, description="your username where it is null"
    )
    started_at: Time | None = Field(None, description="now where it is null")
    tags: RunTags = {}


class RunUpdate(RequestModel):
    """A merge patch: an absent field is unchanged."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"status": "FINISHED", "ended_at": "2026-11-01T12:00:00Z"}}
    )

    name: RunName | MISSING = MISSING
    status: RunStatus | MISSING = MISSING
    ended_at: Time | None | MISSING = MISSING


class RunRead(Versioned):
    """A run's own fields; what is logged to it counts no version."""

    id: UUID
    experiment_id: UUID
    name: str
    user_name: str
    status: RunStatus
    started_at: Moment
    ended_at: Moment | None
    created_at: Moment
    updated_at: Moment
    deleted_at: Moment | None

    def etag_value(self) -> str:
        """Return the version, and when the run was deleted: with its experiment, maybe."""
        if self.deleted_at is None:
            return super().etag_value()
        return f"{super().etag_value()}.{int(self.deleted_at.timestamp() * 1000)}"


class Point(NamedTuple):
    """A point of a metric's history; the timestamp is in milliseconds since 1970."""

    key: str
    value: float
    timestamp: int
    step: int = 0


class MetricPointWrite(RequestModel):
    key: Key
    value: MetricValue
    timestamp_ms: Milliseconds | None = Field(None, description="since 1970; now where it is null")
    step: Int64 = 0


class RunLogWrite(RequestModel):
    """A batch: it is stored whole or not at all, and repeating it changes nothing."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "metrics": [
                    {"key": "loss", "value": 0.25, "timestamp_ms": 1_790_000_000_000, "step": 1}
                ],
                "params": {"learning_rate": "0.01"},
                "tags": {"stage": "trial"},
            }
        }
    )

    metrics: Annotated[list[MetricPointWrite], Field(max_length=MAX_LOGGED)] = []
    params: Annotated[dict[Key, ParamValue], Field(max_length=MAX_LOGGED)] = {}
    tags: RunTags = {}

    def points(self) -> list[Point]:
        """Return the metrics; those without a time are of now."""
        now = time.time_ns() // 1_000_000
        return [
            Point(
                one.key, one.value, now if one.timestamp_ms is None else one.timestamp_ms, one.step
            )
            for one in self.metrics
        ]


class RunLogged(ResponseModel):
    """How much of a batch was new; of the tags, how many were new or changed."""

    metrics: int
    params: int
    tags: int


class RunTagWrite(RequestModel):
    model_config = ConfigDict(json_schema_extra={"example": {"value": "trial"}})

    value: TagValue


class Purged(ResponseModel):
    """The result of a purge; repeat it with a new Idempotency-Key, or none, until ``complete``."""

    complete: bool
    runs: int
    points: int
    runs_left: int
