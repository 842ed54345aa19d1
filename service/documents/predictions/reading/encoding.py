"""Documents of the log as they are returned: as schemas, as dictionaries, as JSON."""

from typing import Any

import msgspec

from service.documents.predictions.reading.schemas import FeedbackRead, PredictionRead
from service.stores.mongo.client import Document
from service.web.schemas import format_time


def to_schema(document: Document) -> PredictionRead:
    """An event as it travels."""
    return PredictionRead(prediction_id=document.pop("_id"), **document)


_ABSENT: dict[str, Any] = {
    name: None if field.is_required() else field.get_default(call_default_factory=True)
    for name, field in PredictionRead.model_fields.items()
}


def to_response_dict(document: Document) -> dict[str, Any]:
    """An event as it travels, not looked at again: it was when it came."""
    row = _ABSENT | document
    row["prediction_id"] = row.pop("_id")
    for name in ("timestamp", "sent_at", "received_at"):
        if row[name] is not None:
            row[name] = format_time(row[name])
    return row if len(row) == len(_ABSENT) else {name: row[name] for name in _ABSENT}


def encode_json(value: object) -> bytes:
    """JSON on one line."""
    return _encoder.encode(value)


def _plain(value: object) -> object:
    """What BSON has besides JSON's own: whole numbers of 64 bits, and what others may have kept."""
    return int(value) if isinstance(value, int) else str(value)


_encoder = msgspec.json.Encoder(enc_hook=_plain)


def to_json(document: Document) -> str:
    """An event as it goes out."""
    return encode_json(to_response_dict(document)).decode()


def feedback_to_schema(document: Document, *, pending: bool) -> FeedbackRead:
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
