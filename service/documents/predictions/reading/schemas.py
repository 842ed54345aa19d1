"""What travels about predictions, beside the event itself."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from service.web.pagination import ListQuery
from service.web.schemas import (
    Moment,
    RequestModel,
    ResponseModel,
    StrictBool,
    StrictInt,
    Text,
    Time,
    Versioned,
)

Status = Literal["ok", "error", "timeout", "fallback"]
ExportFormat = Literal["ndjson", "csv", "parquet"]
Role = Literal["primary", "shadow", "canary", "replay"]
LabelValue = (
    StrictInt
    | StrictBool
    | Annotated[float, Field(strict=True)]
    | Annotated[Text, Field(max_length=200)]
)


class FeedbackWrite(RequestModel):
    """What turned out to be true, and when it was seen."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"label": 1, "observed_at": "2026-01-06T08:00:00Z", "source": "pathology"}
        }
    )

    label: LabelValue
    observed_at: Time
    source: Annotated[Text, Field(min_length=1, max_length=200)] = "unknown"


class LabelWrite(FeedbackWrite):
    """A label among others, which says whose it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "prediction_id": "01930d6e-7a00-7000-8000-000000000001",
                "label": 1,
                "observed_at": "2026-01-06T08:00:00Z",
                "source": "pathology",
            }
        }
    )

    prediction_id: UUID


class Observation(ResponseModel):
    """One label as it was told; ``received_at`` is when that was first."""

    label: LabelValue
    observed_at: Moment
    source: str
    received_at: Moment


class FeedbackRead(Versioned):
    """The latest label and all there were, oldest first by ``observed_at``.

    ``pending`` says that the prediction itself has not arrived yet.
    """

    prediction_id: UUID
    label: LabelValue
    observed_at: Moment
    source: str
    pending: bool
    history: list[Observation]


class PredictionRead(ResponseModel):
    prediction_id: UUID
    timestamp: Moment
    model: str
    version: str
    features: dict[str, Any]
    output: dict[str, Any] | None = None
    latency_ms: float | None = None
    status: Status
    error: dict[str, Any] | str | None = None
    user_id: UUID | None = None
    order_id: UUID | None = None
    trace_id: str | None = None
    request_id: str | None = None
    tags: dict[str, str] = {}
    sampling_weight: float = 1.0
    role: Role
    sent_at: Moment | None = None
    received_at: Moment


class PredictionDetail(PredictionRead):
    """One prediction with what turned out to be true, if that is known."""

    feedback: FeedbackRead | None = None


class PredictionFilters(BaseModel):
    """What the list, the export and the tail can be narrowed to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Text | None = None
    version: Text | None = None
    status: Status | None = None

    def filters(self) -> dict[str, Any]:
        """The filters that were given."""
        given = self.model_dump(exclude=_NOT_FILTERS, exclude_none=True)
        return dict(given)


_NOT_FILTERS = {"format", "labels", "after"}


class PredictionQuery(ListQuery):
    sort: Literal["timestamp", "-timestamp"] = "-timestamp"
    model: Text | None = None
    version: Text | None = None
    status: Status | None = None
    user_id: UUID | None = None
    order_id: UUID | None = None
    timestamp__gte: Time | None = None
    timestamp__lt: Time | None = None


class ExportQuery(PredictionFilters):
    format: ExportFormat = "ndjson"
    labels: bool = Field(False, description="adds what turned out to be true, as of now")
    user_id: UUID | None = None
    order_id: UUID | None = None
    timestamp__gte: Time | None = None
    timestamp__lt: Time | None = None


class TailQuery(PredictionFilters):
    after: str | None = Field(
        None, max_length=1000, description="the id of the last event you have; as Last-Event-ID"
    )


class ExportLine(PredictionRead):
    """An event as in the list; with ``labels=true`` the latest label, null where there is none."""

    label: LabelValue | None = None
    label_observed_at: Moment | None = None
    label_source: str | None = None


class IntakeError(ResponseModel):
    pointer: str
    code: str
    detail: str


class IntakeResult(ResponseModel):
    """What became of one event: 201 created, 200 duplicate, 409 conflict, 403 or 422 and why."""

    prediction_id: UUID | None
    status: Literal[200, 201, 403, 409, 422]
    code: str
    errors: list[IntakeError] = []


class BatchRead(ResponseModel):
    """``results`` stand in the order of the request."""

    created: int
    duplicates: int
    conflicts: int
    rejected: int
    results: list[IntakeResult]


class StreamLineError(ResponseModel):
    line: int
    code: str
    errors: list[IntakeError] = []


class StreamLine(ResponseModel):
    """Everything through this line of the request is durable; the counts are of all lines."""

    committed_through: int
    created: int
    duplicates: int
    conflicts: int
    rejected: int
    errors: list[StreamLineError]


class CloudEventRead(ResponseModel):
    """What became of one CloudEvent: 202 if it is half a pair and waits for the other.

    ``prediction_ids`` are the events that it is, or that it made with its partner: one a row.
    """

    id: str | None
    status: int
    code: str
    prediction_ids: list[UUID] = []
    errors: list[IntakeError] = []


class CloudEventsRead(ResponseModel):
    """``results`` stand in the order of the batch."""

    created: int
    duplicates: int
    waiting: int
    rejected: int
    results: list[CloudEventRead]


class HalfRefusal(ResponseModel):
    code: str
    pointer: str
    detail: str


class HalfRead(ResponseModel):
    """Half a pair that waits, or a pair: both halves are here (``has``)."""

    pair_id: UUID
    event_id: str
    model: str
    state: Literal["waiting", "whole", "logged", "refused"]
    has: list[Literal["request", "response"]]
    refusal: HalfRefusal | None = None
    received_at: Moment
    expires_at: Moment


class HalfQuery(ListQuery):
    """``count=exact`` says how many wait."""

    sort: Literal["received_at", "-received_at"] = "-received_at"
    state: Literal["waiting", "whole", "logged", "refused"] = "waiting"
    model: Text | None = None
