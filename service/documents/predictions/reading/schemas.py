"""Predictions and labels as they are read, and the filters of lists."""

from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from service.documents.predictions.ids import AnyId, PredictionKey, ReadId
from service.web.pagination import ListQuery
from service.web.schemas import (
    Moment,
    ResponseModel,
    StrictBool,
    StrictInt,
    Text,
    Time,
    Versioned,
)

Status = Literal["ok", "error", "timeout", "fallback"]
Role = Literal["primary", "shadow", "canary", "replay"]
LabelValue = (
    StrictInt
    | StrictBool
    | Annotated[float, Field(strict=True)]
    | Annotated[Text, Field(max_length=200)]
)


class Observation(ResponseModel):
    """One label as it was reported; ``received_at`` is when it was first received."""

    label: LabelValue
    observed_at: Moment
    source: str
    received_at: Moment


class FeedbackRead(Versioned):
    """The latest label, and the history, oldest ``observed_at`` first.

    ``pending`` is true until the prediction itself arrives.
    """

    prediction_id: UUID
    label: LabelValue
    observed_at: Moment
    source: str
    pending: bool
    history: list[Observation]


class PredictionRead(ResponseModel):
    """One prediction as it was logged."""

    prediction_id: ReadId
    timestamp: Moment
    model: str
    version: str
    features: dict[str, Any]
    output: dict[str, Any] | None = None
    latency_ms: float | None = None
    status: Status
    error: dict[str, Any] | str | None = None
    user_id: ReadId | None = None
    order_id: ReadId | None = None
    trace_id: str | None = None
    request_id: str | None = None
    tags: dict[str, str] = {}
    sampling_weight: float = 1.0
    role: Role
    sent_at: Moment | None = None
    received_at: Moment
    nonfinite: dict[str, Literal["NaN", "Infinity", "-Infinity"]] | None = Field(
        None,
        description="Numbers that JSON has as null, by JSON Pointer.",
        examples=[{"/features/age": "NaN"}],
    )


class PredictionDetail(PredictionRead):
    """One prediction with its labels, if there are any."""

    feedback: FeedbackRead | None = None


class PredictionFilters(BaseModel):
    """Filters of the export and the tail; ``not_filters`` are the other fields of a query."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    not_filters: ClassVar[frozenset[str]] = frozenset()

    model: Text | None = None
    version: Text | None = None
    status: Status | None = None

    def filters(self) -> dict[str, Any]:
        """Return the filters of this query that are set."""
        return self.model_dump(exclude=set(self.not_filters), exclude_none=True)


class PredictionQuery(ListQuery):
    sort: Literal["timestamp", "-timestamp"] = "-timestamp"
    model: Text | None = None
    version: Text | None = None
    status: Status | None = None
    prediction_id: PredictionKey | None = None
    user_id: AnyId | None = None
    order_id: AnyId | None = None
    timestamp__gte: Time | None = None
    timestamp__lt: Time | None = None
