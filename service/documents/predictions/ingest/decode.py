"""Decode events: one from a line, or all of a batch, each valid or invalid by itself."""

import re
from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta, Raw, Struct

from service.core.errors import FieldError, Refused, ServiceError, field_error
from service.documents.predictions.ingest.event import Event, Tag, first_error
from service.web.problems import pointer_to
from service.web.schemas import MAX_ITEMS, TIME_DETAIL
from service.web.strict_json import InvalidJson, TooDeep, parse_json, raw_items

DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class NotABatch(Refused):
    code, title = "not_a_batch", "The body is not a batch"
    detail = f'Send {{"items": […]}} with 1 to {MAX_ITEMS} items.'


class Rejected(Struct):
    """The error of an item that is not an event, and its id if it has one."""

    prediction_id: UUID | None
    error: FieldError


class EventBatch(Struct, forbid_unknown_fields=True):
    items: Annotated[list[Event], Meta(min_length=1, max_length=MAX_ITEMS)]


class RawBatch(Struct, forbid_unknown_fields=True):
    items: list[Raw]


class _OnlyId(Struct):
    prediction_id: UUID


_event = msgspec.json.Decoder(Event)
_batch = msgspec.json.Decoder(EventBatch)
_raw_batch = msgspec.json.Decoder(RawBatch)
_only_id = msgspec.json.Decoder(_OnlyId)


def has_escaped_nul(body: bytes) -> bool:
    """Return whether some string may contain a NUL.

    The backslash is searched first, because one byte is found ten times as fast as six (measured).
    """
    return b"\\" in body and b"\\u0000" in body


def decode_event(line: bytes) -> Event | Rejected:
    """Return the event in ``line``, or its error."""
    try:
        return _event.decode(line)
    except DECODE_ERRORS as error:
        return Rejected(find_id(line), _explain(line, error))


def decode_batch(body: bytes) -> Iterable[Event | Rejected]:
    """Return the items of a body ``{"items": […]}`` in its order; lazily, if one is invalid.

    Raises:
        BadRequest: the body is not JSON.
        NotABatch: the body has another shape, no items or too many.
    """
    try:
        return _batch.decode(body).items
    except DECODE_ERRORS:
        return map(decode_event, split_items(body))


def split_items(body: bytes) -> list[bytes]:
    """Return the JSON text of each item of a batch, although some are invalid.

    Raises:
        BadRequest, NotABatch: as :func:`decode_batch`.
    """
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
    if not 1 <= len(items) <= MAX_ITEMS:
        raise NotABatch
    return items


def find_id(line: bytes) -> UUID | None:
    """Return the ``prediction_id`` of an invalid item, if it has one."""
    try:
        return _only_id.decode(line).prediction_id
    except DECODE_ERRORS:
        return None


def _explain(line: bytes, cause: Exception) -> FieldError:
    """Return the error of a line that is not an event.

    The strict reader names places that msgspec does not: below keys, and in malformed JSON.
    """
    try:
        value = parse_json(line)
    except ServiceError as error:
        return first_error(error)
    return _to_field_error(str(cause), value)


_PATH = re.compile(r" - at `\$?(.*?)`$")
_STEP = re.compile(r"\.\.\.|[^.\[\]]+")
_NAMED = re.compile(r"Object (missing required|contains unknown) field `(.*)`", re.DOTALL)
_ENUM = "Invalid enum value"


def describe(message: str) -> tuple[list[str], str]:
    """Return the place and the description of an error of msgspec, which repeat no value.

    Such a message is ``Expected `int`, got `str` - at `$.output.label```; its path has ``...`` for
    a key that msgspec does not name.
    """
    path = _PATH.search(message)
    steps = _STEP.findall(path[1]) if path else []
    detail = _PATH.sub("", message)
    if detail.startswith(_ENUM):
        return steps, f"{_ENUM}: send one of those that /docs lists."
    named = _NAMED.fullmatch(detail)
    if named:
        return [*steps, named[2]], f"Object {named[1]} field."
    if "datetime" in detail or "timezone" in detail:
        return steps, f"{TIME_DETAIL}."
    return steps, f"{detail}."


def _to_field_error(message: str, value: Any) -> FieldError:
    steps, detail = describe(message)
    if "..." in steps:
        steps[steps.index("...") :] = _failing_key(value, steps)
    return field_error(pointer=pointer_to(steps), code="invalid", detail=detail)


def _failing_key(value: Any, steps: list[str]) -> list[str]:
    """Return the key that msgspec writes as ``[...]``: the first with a value of another type."""
    for step in steps[: steps.index("...")]:
        value = value.get(step) if isinstance(value, dict) else None
    type_: Any = float if "scores" in steps else Tag
    for key, member in value.items() if isinstance(value, dict) else ():
        try:
            msgspec.convert(member, type_)
        except msgspec.ValidationError:
            return [key]
    return []
