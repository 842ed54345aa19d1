"""What is kept of predictions: an immutable event each, and beside it what is said of it later."""

from datetime import datetime
from typing import Any, NotRequired, TypedDict
from uuid import UUID

import msgspec

from service.documents.predictions.reading.schemas import FeedbackRead, HalfRead, PredictionRead
from service.stores.mongo.client import Document
from service.web.schemas import format_time

PREDICTIONS = "predictions"
FEEDBACK = "feedback"
HALVES = "prediction_halves"


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


def read_prediction(document: Document) -> PredictionRead:
    """An event as it travels."""
    return PredictionRead(prediction_id=document.pop("_id"), **document)


_ABSENT: dict[str, Any] = {
    name: None if field.is_required() else field.get_default(call_default_factory=True)
    for name, field in PredictionRead.model_fields.items()
}


def as_row(document: Document) -> dict[str, Any]:
    """An event as it travels, not looked at again: it was when it came."""
    row = _ABSENT | document
    row["prediction_id"] = row.pop("_id")
    for name in ("timestamp", "sent_at", "received_at"):
        if row[name] is not None:
            row[name] = format_time(row[name])
    return row if len(row) == len(_ABSENT) else {name: row[name] for name in _ABSENT}


def as_json(value: object) -> bytes:
    """JSON on one line."""
    return _encoder.encode(value)


def _plain(value: object) -> object:
    """What BSON has besides JSON's own: whole numbers of 64 bits, and what others may have kept."""
    return int(value) if isinstance(value, int) else str(value)


_encoder = msgspec.json.Encoder(enc_hook=_plain)


def write_prediction(document: Document) -> str:
    """An event as it goes out."""
    return as_json(as_row(document)).decode()


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


def read_half(document: Document) -> HalfRead:
    """A pair, or the half that is there, as it travels."""
    return HalfRead(
        pair_id=document["_id"],
        event_id=document["event_id"],
        model=document["model"],
        state=document["state"],
        has=[side for side in ("request", "response") if side in document],
        refusal=document.get("refusal"),
        received_at=document["received_at"],
        expires_at=document["expires_at"],
    )
