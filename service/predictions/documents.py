"""What is kept of predictions: an immutable event each, and beside it what is said of it later."""

from datetime import datetime
from typing import Any, NotRequired, TypedDict
from uuid import UUID

from service.mongo import Document
from service.predictions.schemas import FeedbackRead, PredictionRead

PREDICTIONS = "predictions"
FEEDBACK = "feedback"


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
    role: str
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


def read_prediction(document: Document) -> PredictionRead:
    """An event as it travels."""
    return PredictionRead(prediction_id=document.pop("_id"), **document)


def read_feedback(document: Document, *, pending: bool) -> FeedbackRead:
    """The labels of a prediction as they travel."""
    latest = document["latest"]
    return FeedbackRead(
        prediction_id=document["_id"],
        label=latest["label"],
        observed_at=latest["observed_at"],
        source=latest["source"],
        history=document["history"],
        version=document["version"],
        pending=pending,
    )
