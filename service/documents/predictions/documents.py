"""What is kept of predictions: an immutable event each, and beside it what is said of it later."""

from datetime import datetime
from typing import Any, NotRequired, TypedDict
from uuid import UUID

PREDICTIONS = "predictions"
FEEDBACK = "feedback"
PENDING_PAIRS = "prediction_halves"


class PredictionDocument(TypedDict, total=False):
    """One event. ``_id`` is its prediction_id; ``hash`` covers all that the sender said."""

    _id: UUID
    timestamp: datetime
    model: str
    version: str
    features: dict[str, Any]
    output: dict[str, Any]
    latency_ms: float
    status: str
    error: dict[str, Any] | str
    user_id: UUID
    order_id: UUID
    trace_id: str
    request_id: str
    tags: dict[str, str]
    sampling_weight: float
    role: str
    sent_at: datetime
    received_at: datetime
    hash: bytes
    expires_at: datetime


class ObservationDocument(TypedDict):
    """One label as it was reported."""

    label: int | bool | float | str
    observed_at: datetime
    source: str
    received_at: datetime


class FeedbackDocument(TypedDict):
    """The labels of one prediction, whose id is ``_id``; ``latest`` is the last of ``history``."""

    _id: UUID
    latest: ObservationDocument
    history: list[ObservationDocument]
    version: int
    expires_at: NotRequired[datetime]


class HalfDocument(TypedDict, total=False):
    """A request or a response as it came; ``data`` is gone when it has become events."""

    data: bytes
    hash: bytes
    time: datetime | None
    trace_id: str | None


class PairDocument(TypedDict, total=False):
    """A request and its response, or one that waits. ``_id`` comes of what they have in common.

    ``state`` is waiting, whole (both are here), logged (they are events) or refused.
    """

    _id: UUID
    request: HalfDocument
    response: HalfDocument
    model: str
    event_id: str
    context: dict[str, str]
    state: str
    rows: int
    refusal: dict[str, str]
    received_at: datetime
    expires_at: datetime
