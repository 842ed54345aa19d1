"""The event, as an inference service sends it.

msgspec decodes it instead of Pydantic, because a batch of a thousand is decoded and checked in one
typed pass. The canonical bytes that are hashed come from the same definition.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from service.core.errors import FieldError, Refused, ServiceError, field_error
from service.web.problems import pointer_to
from service.web.schemas import EARLIEST, LATEST, TIME_PATTERN, format_time, to_milliseconds
from service.web.strict_json import INT64, validate_value

MAX_KEY_LENGTH, MAX_SCORES = 200, 5_000
MAX_EVENT_BYTES = 1_048_576
MAX_CLOCK_SKEW = timedelta(hours=1)
# The last part is for Python only, whose $ also matches before a trailing newline.
_WORD = r"^[^\x00-\x1f$][^\x00-\x1f]*$(?!\n)"
Word = Annotated[str, Meta(min_length=1, max_length=200, pattern=_WORD)]
Int64 = Annotated[int, Meta(ge=-INT64, le=INT64 - 1)]
Moment = Annotated[datetime, Meta(tz=True, extra_json_schema={"pattern": TIME_PATTERN})]
Feature = Int64 | float | str | bool | list[Any] | dict[str, Any] | None
Label = Int64 | bool | Annotated[str, Meta(max_length=200)]
Tag = Annotated[str, Meta(max_length=200)]


class TooBig(Refused):
    code, title = "too_big", "The event is too large"

    def __init__(self, error: FieldError) -> None:
        super().__init__(errors=[error])


class Output(Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True):
    """The output of the model: a class, its score, the scores of all classes, or a number."""

    label: Label | None = None
    score: float | None = None
    scores: (
        Annotated[dict[str, float], Meta(max_length=MAX_SCORES)]
        | Annotated[list[float], Meta(max_length=MAX_SCORES)]
        | None
    ) = None
    value: float | None = None


class Failure(Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True):
    """The error because of which the model has no output."""

    type: Annotated[str, Meta(max_length=200)] | None = None
    message: Annotated[str, Meta(max_length=5000)] | None = None


class Event(Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True):
    """One prediction. The sender mints ``prediction_id``, which makes every retry safe.

    The last value counts where a key is repeated in an object.

    ``sampling_weight`` is how many predictions this one stands for, where only some are logged.
    ``sent_at`` is the sender's clock when it sent the event; a retry may have another.
    """

    prediction_id: UUID
    timestamp: Moment
    model: Word
    version: Word
    features: Annotated[dict[str, Feature], Meta(max_length=2000)]
    output: Output | None = None
    latency_ms: Annotated[float, Meta(ge=0)] | None = None
    status: Literal["ok", "error", "timeout", "fallback"] = "ok"
    error: Failure | Annotated[str, Meta(max_length=5000)] | None = None
    user_id: UUID | None = None
    order_id: UUID | None = None
    trace_id: Word | None = None
    request_id: Word | None = None
    tags: Annotated[dict[str, Tag], Meta(max_length=20)] = {}
    sampling_weight: Annotated[float, Meta(ge=1, le=1e9)] = 1.0
    sent_at: Moment | None = None
    role: Literal["primary", "shadow", "canary", "replay"] = "primary"


def find_violation(event: Event, received_at: datetime, *, suspicious: bool) -> FieldError | None:
    """Return the first violation that the types do not catch, or None.

    Args:
        event: the event as decoded.
        received_at: the server's clock; ``timestamp`` may be at most one hour later.
        suspicious: the raw bytes contain an escaped NUL, so that every value must be checked.
    """
    error = _time_violation(event, received_at)
    if error is not None:
        return error
    scores = None if event.output is None else event.output.scores
    for path, mapping in (
        (("features",), event.features),
        (("tags",), event.tags),
        (("output", "scores"), scores),
    ):
        if not isinstance(mapping, dict):
            continue
        if not mapping.keys() <= _valid_keys:
            for key in mapping:
                if not _is_valid_key(key):
                    return _invalid_key((*path, key))
        if not _NESTED.isdisjoint(map(type, mapping.values())):
            suspicious = True
    return _deep_violation(event) if suspicious else None


def _time_violation(event: Event, received_at: datetime) -> FieldError | None:
    for name, moment in (("timestamp", event.timestamp), ("sent_at", event.sent_at)):
        if moment is not None and not EARLIEST <= moment < LATEST:
            detail = "Send a time between the years 1900 and 2200."
            return field_error(pointer=f"/{name}", code="out_of_range", detail=detail)
    if event.timestamp > received_at + MAX_CLOCK_SKEW:
        limit = f"{MAX_CLOCK_SKEW} after the server's time, {format_time(received_at)}"
        detail = f"Send a time of at most {limit}."
        return field_error(pointer="/timestamp", code="in_the_future", detail=detail)
    return None


# Features have few names and many values, so each name is checked once.
_valid_keys: set[str] = set()
_NESTED = {dict, list}
_MAX_VALID_KEYS = 10_000


def _is_valid_key(key: str) -> bool:
    valid = (
        0 < len(key) <= MAX_KEY_LENGTH and key[0] != "$" and "." not in key and "\x00" not in key
    )
    if valid and len(_valid_keys) < _MAX_VALID_KEYS:
        _valid_keys.add(key)
    return valid


def _invalid_key(path: tuple[object, ...]) -> FieldError:
    detail = f"Use 1 to {MAX_KEY_LENGTH} characters, no $ at the start, no dot and no NUL."
    *before, key = path
    pointer = pointer_to((*before, str(key)[:MAX_KEY_LENGTH]))
    return field_error(pointer=pointer, code="invalid_key", detail=detail)


def _deep_violation(event: Event) -> FieldError | None:
    values = msgspec.to_builtins(event)
    try:
        validate_value(values)
    except ServiceError as error:
        return first_error(error)
    pending: list[tuple[tuple[object, ...], Any]] = [(("features",), values["features"])]
    while pending:
        path, parent = pending.pop()
        if isinstance(parent, dict):
            for key, value in parent.items():
                if not _is_valid_key(key):
                    return _invalid_key((*path, key))
                pending.append(((*path, key), value))
        elif isinstance(parent, list):
            pending.extend(((*path, index), value) for index, value in enumerate(parent))
    return None


def first_error(error: ServiceError) -> FieldError:
    """Return the first field error, or the error itself as one of the whole event."""
    whole = field_error(pointer="", code=error.code, detail=error.message)
    return next(iter(error.errors), whole)


def to_document(event: Event, received_at: datetime) -> dict[str, Any]:
    """Return the document to store; null and empty fields are omitted.

    Raises:
        TooBig: the event is larger than MAX_EVENT_BYTES.
    """
    document = _immutable(event)
    canonical = _canonical.encode(document)
    if len(canonical) > MAX_EVENT_BYTES:
        raise TooBig(_size_error(document))
    document["hash"] = _hash_of(canonical)
    document["received_at"] = received_at
    if event.sent_at is not None:
        document["sent_at"] = to_milliseconds(event.sent_at)
    return document


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
    for name in ("latency_ms", "user_id", "order_id", "trace_id", "request_id"):
        value = getattr(event, name)
        if value is not None:
            document[name] = value
    for name in ("output", "error"):
        value = getattr(event, name)
        if value is not None and (fields := msgspec.to_builtins(value)):
            document[name] = fields
    if event.tags:
        document["tags"] = event.tags
    if event.sampling_weight != 1:
        document["sampling_weight"] = event.sampling_weight
    return document


def _size_error(document: dict[str, Any]) -> FieldError:
    """Return an error that points to the largest value, which the sender can leave out."""
    others = {(name,): value for name, value in document.items() if name != "features"}
    features = {("features", key): value for key, value in document["features"].items()}
    sizes = {path: len(_canonical.encode(value)) for path, value in (others | features).items()}
    largest = max(sizes, key=sizes.__getitem__)
    detail = (
        f"Send events of at most {MAX_EVENT_BYTES} bytes as JSON; this value has {sizes[largest]}."
    )
    return field_error(pointer=pointer_to(largest), code="too_big", detail=detail)


_canonical = msgspec.json.Encoder(order="sorted", uuid_format="hex")


def _hash_of(canonical: bytes) -> bytes:
    """Return 16 bytes of BLAKE2b over the canonical JSON: keys sorted, times in UTC.

    Every spelling of an event has the same hash, but 1 and 1.0 are two values, as in BSON.
    """
    return hashlib.blake2b(canonical, digest_size=16).digest()
