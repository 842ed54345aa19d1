"""Reads events: one of a line, or all of a batch, each good or wrong by itself."""

import re
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Raw, Struct

from service.core.errors import FieldError, Refused, ServiceError
from service.documents.predictions.ingest.event import Event, Tag, first_error
from service.web.problems import pointer_to
from service.web.schemas import MAX_ITEMS
from service.web.strict_json import InvalidJson, TooDeep, parse_json, raw_items

DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class NotABatch(Refused):
    code, title = "not_a_batch", "This is not a batch"
    detail = f'Send {{"items": […]}} with 1 to {MAX_ITEMS} items.'


class Rejected(Struct):
    """What stands where an event should be, and why it is none."""

    prediction_id: UUID | None
    error: FieldError


class EventBatch(Struct, forbid_unknown_fields=True):
    items: list[Event]


class RawBatch(Struct, forbid_unknown_fields=True):
    items: list[Raw]


class _OnlyId(Struct):
    prediction_id: UUID


_event = msgspec.json.Decoder(Event)
_batch = msgspec.json.Decoder(EventBatch)
_raw_batch = msgspec.json.Decoder(RawBatch)
_only_id = msgspec.json.Decoder(_OnlyId)


def has_escaped_nul(body: bytes) -> bool:
    """Whether some string in it may hold a NUL; one byte is found ten times as fast as six."""
    return b"\\" in body and b"\\u0000" in body


def decode_event(line: bytes) -> Event | Rejected:
    """The event in ``line``, or why there is none."""
    try:
        return _event.decode(line)
    except DECODE_ERRORS as error:
        return Rejected(find_id(line), _why(line, error))


def decode_batch(body: bytes) -> Iterable[Event | Rejected]:
    """What stands in a body ``{"items": […]}``, in its order; if it takes long, one at a time.

    Raises:
        BadRequest: it is not JSON.
        NotABatch: it is not of that shape, or has no events, or too many.
    """
    try:
        events = _batch.decode(body).items
    except DECODE_ERRORS:
        return map(decode_event, split_items(body))
    _check_size(events)
    return events


def _check_size(items: Sequence[object]) -> None:
    if not 1 <= len(items) <= MAX_ITEMS:
        raise NotABatch


def split_items(body: bytes) -> list[bytes]:
    """The items of a batch one by one, though some cannot be decoded."""
    try:
        return raw_items(body, _raw_items)
    except RecursionError as error:
        raise TooDeep from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidJson(f"{error}.") from error


def _raw_items(body: bytes) -> list[Raw]:
    try:
        items = _raw_batch.decode(body).items
    except msgspec.ValidationError as error:
        raise NotABatch from error
    _check_size(items)
    return items


def find_id(line: bytes) -> UUID | None:
    """The ``prediction_id`` of what is otherwise wrong, if there is one."""
    try:
        return _only_id.decode(line).prediction_id
    except DECODE_ERRORS:
        return None


def _why(line: bytes, found: Exception) -> FieldError:
    """What is wrong with a line that is no event.

    The strict reader names places that msgspec does not: below keys, and in what it cannot read.
    """
    try:
        plain = parse_json(line)
    except ServiceError as refusal:
        return first_error(refusal)
    return _as_field_error(str(found), plain)


_PATH = re.compile(r" - at `\$?(.*?)`$")
_STEP = re.compile(r"\.\.\.|[^.\[\]]+")
_MISSING = re.compile(r"Object missing required field `(\w+)`")


def _as_field_error(found: str, plain: Any) -> FieldError:
    """msgspec says ``Expected `int`, got `str` - at `$.output.label```."""
    path = _PATH.search(found)
    steps = _STEP.findall(path[1]) if path else []
    if "..." in steps:
        steps[steps.index("...") :] = _failing_key(plain, steps)
    detail = _PATH.sub("", found)
    missing = _MISSING.fullmatch(detail)
    if missing:
        steps.append(missing[1])
    return FieldError(pointer=pointer_to(steps), code="invalid", detail=f"{detail}.")


def _failing_key(plain: Any, steps: list[str]) -> list[str]:
    """The key that msgspec writes as ``[...]``: the first whose value is of the wrong kind."""
    for step in steps[: steps.index("...")]:
        plain = plain.get(step) if isinstance(plain, dict) else None
    kind: Any = float if "scores" in steps else Tag
    for key, value in plain.items() if isinstance(plain, dict) else ():
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError:
            return [key]
    return []
