"""The event, as an inference service sends it.

msgspec and not Pydantic here: a batch of a thousand is decoded and checked in one typed pass, and
its canonical bytes, over which the hash goes, come from the same definition.
"""

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from service.errors import FieldError, ServiceError, pointer_to
from service.json_body import INT64, check_value
from service.wire import EARLIEST, LATEST

LONGEST_KEY, MOST_SCORES = 200, 5_000
# The last part is for Python alone, whose $ also stands before a newline at the end.
_WORD = r"^[^\x00-\x1f$][^\x00-\x1f]*$(?!\n)"
Word = Annotated[str, Meta(min_length=1, max_length=200, pattern=_WORD)]
Int64 = Annotated[int, Meta(ge=-INT64, le=INT64 - 1)]
Feature = Int64 | float | str | bool | list[Any] | dict[str, Any] | None
Label = Int64 | bool | Annotated[str, Meta(max_length=200)]
Tag = Annotated[str, Meta(max_length=200)]


class Output(Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True):
    """What the model answered: a class, its probability, all of them, or a number."""

    label: Label | None = None
    score: float | None = None
    scores: (
        Annotated[dict[str, float], Meta(max_length=MOST_SCORES)]
        | Annotated[list[float], Meta(max_length=MOST_SCORES)]
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
    role: Literal["primary", "shadow", "canary", "replay"] = "primary"


def fault_in(event: Event, *, suspicious: bool) -> FieldError | None:
    """What the types alone do not catch; None if there is nothing.

    Args:
        event: as decoded.
        suspicious: the bytes it came from hold an escaped NUL somewhere, so look at every value.
    """
    if not EARLIEST <= event.timestamp < LATEST:
        detail = "A timestamp lies between the years 1900 and 2200."
        return FieldError(pointer="/timestamp", code="out_of_range", detail=detail)
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


# Features have few names and many values: each name is looked at once.
_good_keys: set[str] = set()
_NESTED = {dict, list}
_MOST_GOOD_KEYS = 10_000


def _is_good_key(key: str) -> bool:
    good = 0 < len(key) <= LONGEST_KEY and key[0] != "$" and "." not in key and "\x00" not in key
    if good and len(_good_keys) < _MOST_GOOD_KEYS:
        _good_keys.add(key)
    return good


def _bad_key(path: tuple[object, ...]) -> FieldError:
    detail = f"Keys have 1 to {LONGEST_KEY} characters, no $ at the beginning, no dot and no NUL."
    *before, key = path
    pointer = pointer_to((*before, str(key)[:LONGEST_KEY]))
    return FieldError(pointer=pointer, code="invalid_key", detail=detail)


def _deep_fault(event: Event) -> FieldError | None:
    plain = msgspec.to_builtins(event)
    try:
        check_value(plain)
    except ServiceError as refusal:
        return fault_of(refusal)
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


def fault_of(refusal: ServiceError) -> FieldError:
    """The one fault a refusal speaks of."""
    whole = FieldError(pointer="", code=refusal.code, detail=refusal.said)
    return next(iter(refusal.errors), whole)


def as_document(event: Event, received_at: datetime) -> dict[str, Any]:
    """The event as MongoDB keeps it; what is null or empty is left out."""
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
    document["hash"] = _hash_of(document)
    document["received_at"] = received_at
    return document


_canonical = msgspec.json.Encoder(order="sorted", uuid_format="hex")


def _hash_of(document: dict[str, Any]) -> bytes:
    """16 bytes of BLAKE2b over the canonical JSON of what is kept: keys sorted, times in UTC.

    So an event is the same however it was written; only 1 and 1.0 stay two values, as in BSON.
    """
    return hashlib.blake2b(_canonical.encode(document), digest_size=16).digest()


def _in_milliseconds(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=moment.microsecond // 1000 * 1000)
