"""What travels about predictions, beside the event itself."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from service.paging import ListQuery
from service.wire import Moment, Read, StrictBool, StrictInt, Text, Time, Versioned, Wire

Status = Literal["ok", "error", "timeout", "fallback"]
ExportFormat = Literal["ndjson", "csv", "parquet"]
Role = Literal["primary", "shadow", "canary", "replay"]
LabelValue = (
    StrictInt
    | StrictBool
    | Annotated[float, Field(strict=True)]
    | Annotated[Text, Field(max_length=200)]
)


class FeedbackWrite(Wire):
    """What turned out to be true, and when it was seen."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"label": 1, "observed_at": "2026-01-06T08:00:00Z", "source": "pathology"}
        }
    )

    label: LabelValue
    observed_at: Time
    source: Annotated[Text, Field(min_length=1, max_length=200)] = "unknown"


class Observation(Read):
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


class PredictionRead(Read):
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
    role: Role
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


class IntakeError(Read):
    pointer: str
    code: str
    detail: str


class IntakeResult(Read):
    """What became of one event: 201 created, 200 duplicate, 409 conflict, 403 or 422 and why."""

    prediction_id: UUID | None
    status: Literal[200, 201, 403, 409, 422]
    code: str
    errors: list[IntakeError] = []


class BatchRead(Read):
    """``results`` stand in the order of the request."""

    created: int
    duplicates: int
    conflicts: int
    rejected: int
    results: list[IntakeResult]


class StreamLineError(Read):
    line: int
    code: str
    errors: list[IntakeError] = []


class StreamLine(Read):
    """Everything through this line of the request is durable; the counts are of all lines."""

    committed_through: int
    created: int
    duplicates: int
    conflicts: int
    rejected: int
    errors: list[StreamLineError]
