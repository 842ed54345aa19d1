"""Predictions and labels as they are read, and the filters of lists."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.documents.predictions.ids import AnyId, PredictionKey, ReadId
from service.documents.predictions.label_values import LabelValue
from service.web.lists.pagination import ListQuery
from service.web.schemas import (
    ExactText,
    Moment,
    ResponseModel,
    Time,
    Versioned,
)

Status = Literal["ok", "error", "timeout", "fallback"]
Role = Literal["primary", "shadow", "canary", "replay"]
NonfiniteName = Literal["NaN", "Infinity", "-Infinity"]


class Observation(ResponseModel):
    """One label as it was reported; ``received_at`` is when it was first received.

    With ``withdrawn`` it takes back the label that was observed last, at or before ``observed_at``;
    ``label`` and ``source`` are null unless it names them.
    """

    label: LabelValue | None
    observed_at: Moment
    source: str | None
    received_at: Moment
    withdrawn: bool = Field(False, exclude_if=lambda withdrawn: not withdrawn)


class FeedbackRead(Versioned):
    """The latest label, and the history, oldest ``observed_at`` first.

    ``label``, ``observed_at`` and ``source`` are null if every label was withdrawn. ``pending`` is
    true until the prediction itself arrives.
    """

    prediction_id: ReadId
    label: LabelValue | None
    observed_at: Moment | None
    source: str | None
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
    nonfinite: dict[str, NonfiniteName] | None = Field(
        None,
        description="Numbers that JSON has as null, by JSON Pointer.",
        examples=[{"/features/age": "NaN"}],
    )


class PredictionDetail(PredictionRead):
    """One prediction with its labels, if there are any."""

    feedback: FeedbackRead | None = None


_Tag = Annotated[
    ExactText,
    Field(
        pattern="^[^=]*=",
        max_length=2000,
        description="`name=value` of one tag",
        examples=["region=eu"],
    ),
]


class _Filters(BaseModel):
    """Filters of every reader of the log."""

    model: ExactText | None = Field(None, description="predictions of this model")
    version: ExactText | None = Field(None, description="predictions of this version of a model")
    status: Status | None = Field(None, description="predictions with this status")
    role: Role | None = Field(None, description="predictions of models in this role")
    trace_id: ExactText | None = Field(None, description="predictions of this trace")
    request_id: ExactText | None = Field(None, description="predictions of this request")
    tag: _Tag | None = None


class _StoredFilters(_Filters):
    """Further filters of the list and the export."""

    user_id: AnyId | None = None
    order_id: AnyId | None = None
    timestamp__gte: Time | None = None
    timestamp__lt: Time | None = None
    received_at__gte: Time | None = None
    received_at__lt: Time | None = None
    labelled: bool | None = Field(None, description="those with a label, or those without")
    labels: bool | None = Field(None, description="add the latest label of each prediction")

    @property
    def filters_arrival(self) -> bool:
        """Whether events are selected by when they were received."""
        return self.received_at__gte is not None or self.received_at__lt is not None


class PredictionFilters(_Filters):
    """Filters of the export and the tail; ``not_filters`` are the other fields of a query."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    not_filters: ClassVar[frozenset[str]] = frozenset()

    def filters(self) -> dict[str, Any]:
        """Return the filters of this query that are set."""
        return self.model_dump(exclude=set(self.not_filters), exclude_none=True)


class StoredPredictionFilters(PredictionFilters, _StoredFilters):
    """Filters of the export."""


class PredictionQuery(ListQuery, _StoredFilters):
    sort: Literal["timestamp", "-timestamp", "received_at"] = Field(
        "-timestamp",
        description="`received_at` follows the log: a page ends before the moment in the header "
        "Complete-Until and always has a next_cursor, from which the reader goes on",
    )
    prediction_id: PredictionKey | None = None

    @property
    def follows_arrival(self) -> bool:
        """Whether the page ends before the moment through which the log is complete."""
        return self.sort == "received_at" or self.filters_arrival


class PredictionItem(PredictionRead):
    """A prediction of the list; with ``labels=true`` its latest label, null if there is none."""

    label: LabelValue | None = Field(None, exclude_if=lambda label: label is None)
    label_observed_at: Moment | None = Field(None, exclude_if=lambda moment: moment is None)
    label_source: str | None = Field(None, exclude_if=lambda source: source is None)
