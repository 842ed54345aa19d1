"""The document of an event, and the hash by which a retry is recognised."""

import hashlib
from datetime import datetime
from typing import Any
from uuid import UUID

import bson
import msgspec
from bson.decimal128 import Decimal128

from service.core.errors import FieldError, Refused, field_error
from service.documents.predictions.ids import to_uuid
from service.documents.predictions.ingest.event import DEFAULT_EVENT_BYTES, Event
from service.documents.predictions.label_values import normalize_label
from service.stores.mongo.client import CODEC
from service.web.problems import pointer_to
from service.web.schemas import to_milliseconds

MAX_BSON_BYTES = 16_000_000  # MongoDB takes 16 MiB
# A number of one digit and a comma are 2 bytes of JSON, and up to 13 bytes of BSON in a list.
_MAY_EXCEED_BSON = 2 * MAX_BSON_BYTES // 13


class TooBig(Refused):
    code, title = "too_big", "The event is too large"

    def __init__(self, error: FieldError) -> None:
        super().__init__(errors=[error])


def to_document(
    event: Event, received_at: datetime, max_bytes: int = DEFAULT_EVENT_BYTES
) -> dict[str, Any]:
    """Return the document to store; null and empty fields are omitted.

    Raises:
        TooBig: the event is larger than ``max_bytes`` as JSON, or than MongoDB takes.
    """
    document = _immutable(event)
    canonical = _canonical.encode(document)
    if len(canonical) - _declared_bytes(event) > max_bytes:
        raise TooBig(_size_error(document, f"{max_bytes} bytes as JSON"))
    document["hash"] = _hash_of(canonical)
    document["received_at"] = received_at
    if event.sent_at is not None:
        document["sent_at"] = to_milliseconds(event.sent_at)
    if len(canonical) > _MAY_EXCEED_BSON and _bson_bytes(document) > MAX_BSON_BYTES:
        raise TooBig(_size_error(document, f"{MAX_BSON_BYTES} bytes as BSON"))
    return document


def _declared_bytes(event: Event) -> int:
    """Return the bytes of ``nonfinite``, which the sender need not have sent."""
    return len(_canonical.encode(event.nonfinite)) if event.nonfinite else 0


def _bson_bytes(document: dict[str, Any]) -> int:
    return len(bson.encode(document, codec_options=CODEC))


def _immutable(event: Event) -> dict[str, Any]:
    """Return the fields that are the same in every retry, which are those that are hashed."""
    document: dict[str, Any] = {
        "_id": event.prediction_id,
        "timestamp": to_milliseconds(event.timestamp),
        "model": event.model,
        "version": event.version,
        "features": event.features,
        "status": event.status,
        "role": event.role,
    }
    if not isinstance(event.prediction_id, UUID):
        document["_id"] = to_uuid(event.prediction_id)
        document["prediction_id"] = event.prediction_id
    for name in _OPTIONAL:
        value = getattr(event, name)
        if value is not None:
            document[name] = value
    if event.output is not None and (output := _output_of(event)):
        document["output"] = output
    if event.error is not None and (error := msgspec.to_builtins(event.error)):
        document["error"] = error
    _add_if_not_default(document, event)
    return document


def _add_if_not_default(document: dict[str, Any], event: Event) -> None:
    if event.tags:
        document["tags"] = event.tags
    if event.sampling_weight != 1:
        document["sampling_weight"] = event.sampling_weight


def _output_of(event: Event) -> dict[str, Any]:
    output: dict[str, Any] = msgspec.to_builtins(event.output, builtin_types=_BSON_TYPES)
    if type(output.get("label")) is float:
        output["label"] = normalize_label(output["label"])
    return output


_OPTIONAL = ("latency_ms", "user_id", "order_id", "trace_id", "request_id", "nonfinite")
_BSON_TYPES = (Decimal128,)


def _size_error(document: dict[str, Any], limit: str) -> FieldError:
    """Return an error that points to the largest value, which the sender can leave out."""
    others = {(name,): value for name, value in document.items() if name != "features"}
    features = {("features", key): value for key, value in document["features"].items()}
    sizes = {path: len(_canonical.encode(value)) for path, value in (others | features).items()}
    largest = max(sizes, key=sizes.__getitem__)
    detail = f"Send events of at most {limit}; this value has {sizes[largest]}."
    return field_error(pointer=pointer_to(largest), code="too_big", detail=detail)


def _to_integer(value: object) -> object:
    """Return the integer that a Decimal128 in an event is."""
    if isinstance(value, Decimal128):
        return int(value.to_decimal())
    raise TypeError(type(value).__name__)


_canonical = msgspec.json.Encoder(order="sorted", uuid_format="hex", enc_hook=_to_integer)


def _hash_of(canonical: bytes) -> bytes:
    """Return 16 bytes of BLAKE2b over the canonical JSON: keys sorted, times in UTC.

    Every spelling of an event has the same hash, but 1 and 1.0 are two values, as in BSON.
    """
    return hashlib.blake2b(canonical, digest_size=16).digest()
