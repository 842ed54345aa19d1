"""The event, as an inference service sends it.

msgspec and not Pydantic here: a batch of a thousand is decoded and checked in one typed pass, and
its canonical bytes, over which the hash goes, come from the same definition.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from service.core.errors import FieldError, Refused, ServiceError
from service.web.problems import pointer_to
from service.web.schemas import EARLIEST, LATEST, format_time
from service.web.strict_json import INT64, validate_value

MAX_KEY_LENGTH, MAX_SCORES = 200, 5_000
MAX_EVENT_BYTES = 1_048_576
MAX_CLOCK_SKEW = timedelta(hours=1)
# The last part is for Python alone, whose $ also stands before a newline at the end.
_WORD = r"^[^\x00-\x1f$][^\x00-\x1f]*$(?!\n)"
Word = Annotated[str, Meta(min_length=1, max_length=200, pattern=_WORD)]
Int64 = Annotated[int, Meta(ge=-INT64, le=INT64 - 1)]
Feature = Int64 | float | str | bool | list[Any] | dict[str, Any] | None
Label = Int64 | bool | Annotated[str, Meta(max_length=200)]
Tag = Annotated[str, Meta(max_length=200)]


class TooBig(Refused):
    code, title = "too_big", "This event is too big"

    def __init__(self, fault: FieldError) -> None:
        super().__init__(errors=[fault])


class Output(Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True):
    """What the model answered: a class, its probability, all of them, or a number."""

    label: Label | None = None
    score: float | None = None
    scores: (
        Annotated[dict[str, float], Meta(max_length=MAX_SCORES)]
        | Annotated[list[float], Meta(max_length=MAX_SCORES)]
        | None
    ) = None
    value: float | None = None


class Failure(Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True):
    """Why there is no answer."""

    type: Annotated[str, Meta(max_length=200)] | None = None
    message: Annotated[str, Meta(max_length=5000)] | None = None


class Event(Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True):
    """One prediction. ``prediction_id`` is made by the sender and makes sending it again safe.

    Of a key that stands twice in an object the last counts: a typed decoder does not look back.

    ``sampling_weight`` is how many predictions this one stands for, where only some are logged.
    ``sent_at`` is the sender's clock when it sent: another try may say another time.
    """

    prediction_id: UUID
    timestamp: Annotated[datetime, Meta(tz=True)]
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
    sent_at: Annotated[datetime, Meta(tz=True)] | None = None
    role: Literal["primary", "shadow", "canary", "replay"] = "primary"


def find_violation(event: Event, received_at: datetime, *, suspicious: bool) -> FieldError | None:
    """What the types alone do not catch; None if there is nothing.

    Args:
        event: as decoded.
        received_at: when it came; it may lie a little ahead of our clock, and no more.
        suspicious: the bytes it came from hold an escaped NUL somewhere, so look at every value.
    """
    fault = _time_fault(event, received_at)
    if fault is not None:
        return fault
    scores = None if event.output is None else event.output.scores
    for path, mapping in (
        (("features",), event.features),
        (("tags",), event.tags),
        (("output", "scores"), scores),
    ):
        if not isinstance(mapping, dict):
            continue
        if not mapping.keys() <= _good_keys:
            for key in mapping:
                if not _is_good_key(key):
                    return _bad_key((*path, key))
        if not _NESTED.isdisjoint(map(type, mapping.values())):
            suspicious = True
    return _deep_fault(event) if suspicious else None


def _time_fault(event: Event, received_at: datetime) -> FieldError | None:
    for name, moment in (("timestamp", event.timestamp), ("sent_at", event.sent_at)):
        if moment is not None and not EARLIEST <= moment < LATEST:
            detail = "A time lies between the years 1900 and 2200."
            return FieldError(pointer=f"/{name}", code="out_of_range", detail=detail)
    if event.timestamp > received_at + MAX_CLOCK_SKEW:
        detail = f"It lies more than {MAX_CLOCK_SKEW} after {format_time(received_at)}, our time."
        return FieldError(pointer="/timestamp", code="in_the_future", detail=detail)
    return None


# Features have few names and many values: each name is looked at once.
_good_keys: set[str] = set()
_NESTED = {dict, list}
_MOST_GOOD_KEYS = 10_000


def _is_good_key(key: str) -> bool:
    good = 0 < len(key) <= MAX_KEY_LENGTH and key[0] != "$" and "." not in key and "\x00" not in key
    if good and len(_good_keys) < _MOST_GOOD_KEYS:
        _good_keys.add(key)
    return good


def _bad_key(path: tuple[object, ...]) -> FieldError:
    detail = (
        f"Keys have 1 to {MAX_KEY_LENGTH} characters, no $ at the beginning, no dot and no NUL."
    )
    *before, key = path
    pointer = pointer_to((*before, str(key)[:MAX_KEY_LENGTH]))
    return FieldError(pointer=pointer, code="invalid_key", detail=detail)


def _deep_fault(event: Event) -> FieldError | None:
    plain = msgspec.to_builtins(event)
    try:
        validate_value(plain)
    except ServiceError as refusal:
        return first_error(refusal)
    todo: list[tuple[tuple[object, ...], Any]] = [(("features",), plain["features"])]
    while todo:
        path, here = todo.pop()
        if isinstance(here, dict):
            for key, value in here.items():
                if not _is_good_key(key):
                    return _bad_key((*path, key))
                todo.append(((*path, key), value))
        elif isinstance(here, list):
            todo.extend(((*path, place), value) for place, value in enumerate(here))
    return None


def first_error(refusal: ServiceError) -> FieldError:
    """The one fault a refusal speaks of."""
    whole = FieldError(pointer="", code=refusal.code, detail=refusal.message)
    return next(iter(refusal.errors), whole)


def to_document(event: Event, received_at: datetime) -> dict[str, Any]:
    """The event as MongoDB keeps it; what is null or empty is left out.

    Raises:
        TooBig: it is larger than events may be.
    """
    document = _immutable(event)
    canonical = _canonical.encode(document)
    if len(canonical) > MAX_EVENT_BYTES:
        raise TooBig(_too_big(document))
    document["hash"] = _hash_of(canonical)
    document["received_at"] = received_at
    if event.sent_at is not None:
        document["sent_at"] = _in_milliseconds(event.sent_at)
    return document


def _immutable(event: Event) -> dict[str, Any]:
    """All that the sender said of the prediction, which is the same however often it is sent."""
    document: dict[str, Any] = {
        "_id": event.prediction_id,
        "timestamp": _in_milliseconds(event.timestamp),
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
        told = getattr(event, name)
        if told is not None and (said := msgspec.to_builtins(told)):
            document[name] = said
    if event.tags:
        document["tags"] = event.tags
    if event.sampling_weight != 1:
        document["sampling_weight"] = event.sampling_weight
    return document


def _too_big(document: dict[str, Any]) -> FieldError:
    """Names the largest of its values, which is what a sender can leave out."""
    places = [(name,) for name in document if name != "features"]
    features = {("features", key): value for key, value in document["features"].items()}
    sizes = {
        place: len(_canonical.encode(value))
        for place, value in ({place: document[place[0]] for place in places} | features).items()
    }
    largest = max(sizes, key=sizes.__getitem__)
    detail = f"An event has at most {MAX_EVENT_BYTES} bytes as JSON; {sizes[largest]} are here."
    return FieldError(pointer=pointer_to(largest), code="too_big", detail=detail)


_canonical = msgspec.json.Encoder(order="sorted", uuid_format="hex")


def _hash_of(canonical: bytes) -> bytes:
    """16 bytes of BLAKE2b over the canonical JSON of what is kept: keys sorted, times in UTC.

    So an event is the same however it was written; only 1 and 1.0 stay two values, as in BSON.
    """
    return hashlib.blake2b(canonical, digest_size=16).digest()


def _in_milliseconds(moment: datetime) -> datetime:
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
