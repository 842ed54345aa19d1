"""Convert documents of the log to response schemas, dictionaries and JSON."""

from typing import Any

import msgspec

from service.documents.predictions.reading.feedback import prediction_id_of
from service.documents.predictions.reading.schemas import FeedbackRead, PredictionRead
from service.stores.mongo.client import Document
from service.stores.mongo.json_types import format_bson_time, to_builtin


def to_schema(document: Document) -> PredictionRead:
    """Return a stored event as a schema; ``document`` is consumed."""
    return PredictionRead(prediction_id=document.pop("_id"), **document)


NOT_SHOWN = ("hash", "expires_at")
_DEFAULTS: dict[str, Any] = {
    name: None if field.is_required() else field.get_default(call_default_factory=True)
    for name, field in PredictionRead.model_fields.items()
}


def to_response_dict(document: Document) -> dict[str, Any]:
    """Return a stored event with the fields of PredictionRead; it was validated on arrival."""
    fields = _DEFAULTS | document
    fields["prediction_id"] = fields.pop("_id")
    for name in NOT_SHOWN:
        fields.pop(name, None)
    for name in ("timestamp", "sent_at", "received_at"):
        if fields[name] is not None:
            fields[name] = format_bson_time(fields[name])
    if len(fields) == len(_DEFAULTS):
        return fields
    return {name: fields[name] for name in _DEFAULTS}


def encode_json(value: object) -> bytes:
    """Return JSON without line breaks; types of BSON become numbers or text."""
    return _encoder.encode(value)


_encoder = msgspec.json.Encoder(enc_hook=to_builtin)


def to_json(document: Document) -> bytes:
    """Return a stored event as the JSON of PredictionRead."""
    return encode_json(to_response_dict(document))


def feedback_to_schema(document: Document, *, pending: bool) -> FeedbackRead:
    """Return the labels of a prediction as a schema."""
    latest = document["latest"]
    return FeedbackRead(
        prediction_id=prediction_id_of(document),
        label=latest["label"],
        observed_at=latest["observed_at"],
        source=latest["source"],
        history=document["history"],
        version=document["version"],
        pending=pending,
    )
