"""Convert documents of the log to response schemas, dictionaries and JSON."""

import json
from typing import Any
from uuid import UUID

import msgspec

from service.documents.predictions.label_values import from_stored
from service.documents.predictions.reading.feedback import prediction_id_of
from service.documents.predictions.reading.labels import label_columns
from service.documents.predictions.reading.schemas import (
    PredictionRead,
)
from service.stores.mongo.client import Document
from service.stores.mongo.json_types import format_bson_time, to_builtin
from service.stores.mongo.json_values import from_bson

NOT_SHOWN = ("hash", "expires_at")
_DEFAULTS: dict[str, Any] = {
    name: None if field.is_required() else field.get_default(call_default_factory=True)
    for name, field in PredictionRead.model_fields.items()
}


def to_response_dict(document: Document) -> dict[str, Any]:
    """Return a stored event with the fields of PredictionRead; it was validated on arrival."""
    fields = _DEFAULTS | document
    key = fields.pop("_id")
    if fields["prediction_id"] is None:  # else the id is text
        fields["prediction_id"] = key
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


def encode_python_json(value: object) -> bytes:
    """Return JSON in which NaN and infinities are numbers, as Python, pandas and Spark read it."""
    text = json.dumps(from_bson(value), default=str, ensure_ascii=False, separators=(",", ":"))
    return text.encode()


_encoder = msgspec.json.Encoder(enc_hook=to_builtin)


def to_json(document: Document) -> bytes:
    """Return a stored event as the JSON of PredictionRead."""
    return encode_json(to_response_dict(document))


LABELS = "labels"  # of a document to which its feedback was added


def to_labelled_json(document: Document) -> bytes:
    """Return a stored event as JSON with its latest label, like a line of the export."""
    labels = label_columns(document.pop(LABELS))
    return encode_json(to_response_dict(document) | labels)


def feedback_to_dict(
    document: Document, *, pending: bool, prediction_id: UUID | str | None = None
) -> dict[str, Any]:
    """Return labels with the fields of FeedbackRead, as :func:`encode_json` takes them.

    The prediction's id is as it was sent, or its key.
    """
    return {
        "version": document["version"],
        "prediction_id": prediction_id or prediction_id_of(document),
        **_observed(document.get("latest") or {}),
        "pending": pending,
        "history": [_observation(step) for step in document["history"]],
    }


def _observed(step: Document) -> dict[str, Any]:
    observed_at = step.get("observed_at")
    return {
        "label": _label_json(step.get("label")),
        "observed_at": None if observed_at is None else format_bson_time(observed_at),
        "source": step.get("source"),
    }


def _label_json(stored: Any) -> Any:
    """Return a label for the encoder; text of JSON is not parsed, as a history has up to 4 MiB."""
    return msgspec.Raw(stored["json"].encode()) if isinstance(stored, dict) else from_stored(stored)


def _observation(step: Document) -> dict[str, Any]:
    withdrawn = {"withdrawn": True} if step.get("withdrawn") else {}
    received_at = format_bson_time(step["received_at"])
    return {**_observed(step), "received_at": received_at, **withdrawn}
