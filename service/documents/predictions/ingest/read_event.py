"""Read an event that is no plain one: with every liberty, and every fault at its place."""

import json
import math
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from service.core.errors import MAX_ERRORS, FieldError, field_error
from service.documents.predictions.ids import parse_id
from service.documents.predictions.ingest.describe import describe
from service.documents.predictions.ingest.event import (
    Event,
    Failure,
    Moment,
    Scores,
    Word,
    time_violation,
)
from service.documents.predictions.ingest.values import Inspection, members_of, restore
from service.documents.predictions.label_values import normalize_label
from service.documents.predictions.reading.schemas import Role, Status
from service.stores.mongo.client import now
from service.web.error_texts import MISSING, OBJECT, unknown_name
from service.web.problems import pointer_to
from service.web.schemas import parse_time

Path = tuple[object, ...]


class Rejected(Struct):
    """The errors of an item that is not an event, and its id if it has one."""

    prediction_id: UUID | str | None
    errors: list[FieldError]


def read_event(item: Any) -> Event | Rejected:
    """Return the event in a value of JSON, which it changes and keeps, or all that is wrong."""
    *_, event = read_in_parts(item)
    assert event is not None  # noqa: S101 - the last one is the result
    return event


def read_in_parts(item: Any) -> Iterator[Event | Rejected | None]:
    """Yield None after each part of the work, and at last what :func:`read_event` returns."""
    yield from _Reader().read(item)


class InvalidValue(ValueError):
    """A value that is not of its type; the message is what to send, ``steps`` the place."""

    def __init__(self, detail: str, steps: Path = ()) -> None:
        super().__init__(detail)
        self.steps = steps


def _typed(type_: Any) -> Callable[[Any], Any]:
    """Return a reader of values of a type that msgspec knows."""
    holder = msgspec.defstruct("_Holder", [("value", type_)])

    def read(value: Any) -> Any:
        try:
            return msgspec.convert({"value": value}, holder).value  # type: ignore[attr-defined]
        except UnicodeEncodeError as error:
            raise InvalidValue("Text must not contain lone surrogates.") from error
        except msgspec.ValidationError as error:
            steps, detail = describe(str(error))
            raise InvalidValue(detail, (*steps[1:],)) from error

    return read


_word, _number = _typed(Word), _typed(float)
_latency = _typed(Event.__annotations__["latency_ms"])
_scores, _failure = _typed(Scores), _typed(Failure | str)
_moment = _typed(Moment)


def _read_time(value: Any) -> Any:
    try:
        return _moment(value)
    except InvalidValue:
        if isinstance(value, str):
            return parse_time(value)
        raise


def to_text(value: Any) -> Any:
    """Return numbers and booleans as ``json.dumps`` writes them; other values as they are."""
    return json.dumps(value) if isinstance(value, int | float) else value


def _read_tags(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise InvalidValue(OBJECT)
    tags = {name: to_text(tag) for name, tag in value.items()}
    for name, tag in tags.items():
        if not isinstance(tag, str):
            raise InvalidValue("Send text, a number or a boolean.", (name,))
    return tags


def _read_object(value: Any) -> Any:
    if not isinstance(value, dict):
        raise InvalidValue(OBJECT)
    return value


def _read_scores(value: Any) -> Any:
    """Return scores as floats; the place of an error is the first score that is no number."""
    try:
        return _scores(value)
    except InvalidValue as error:
        for key, score in members_of(value) if isinstance(value, dict | list) else ():
            if score is not None and type(score) not in (int, float):
                raise InvalidValue(str(error), (key,)) from error
        raise


def _read_latency(value: Any) -> Any:
    milliseconds = _latency(value)
    if milliseconds is not None and not math.isfinite(milliseconds):
        raise InvalidValue("Send a number of milliseconds.")
    return milliseconds


def _read_error(value: Any) -> Any:
    return msgspec.to_builtins(_failure(value))


_OUTPUT = {
    "label": normalize_label,
    "score": _number,
    "scores": _read_scores,
    "value": _number,
}


def _read_output(value: Any) -> Any:
    """Return the output without its nulls, except those of further fields."""
    output = _read_object(value)
    for name, read in _OUTPUT.items():
        if output.get(name) is None:
            output.pop(name, None)
            continue
        try:
            output[name] = read(output[name])
        except InvalidValue as error:
            raise InvalidValue(str(error), (name, *error.steps)) from error
    return output


_READERS: dict[str, Callable[[Any], Any]] = {
    "prediction_id": parse_id,
    "timestamp": _read_time,
    "model": _word,
    "version": lambda value: _word(to_text(value)),
    "features": _read_object,
    "output": _read_output,
    "latency_ms": _read_latency,
    "status": _typed(Status),
    "error": _read_error,
    "user_id": parse_id,
    "order_id": parse_id,
    "trace_id": _word,
    "request_id": _word,
    "tags": _read_tags,
    "sampling_weight": _typed(Event.__annotations__["sampling_weight"]),
    "sent_at": _read_time,
    "role": _typed(Role),
}
_REQUIRED = frozenset(("prediction_id", "timestamp", "model", "version", "features"))
_NOT_NULL = _REQUIRED | {"status", "tags", "sampling_weight", "role"}
_TIMES = frozenset(("timestamp", "sent_at"))
_OTHERS = frozenset(("nonfinite", "received_at"))


class _Reader:
    """One event while it is read."""

    def __init__(self) -> None:
        self._errors: list[FieldError] = []
        self._fields: dict[str, Any] = {}
        self._received_at = now()

    def read(self, item: Any) -> Iterator[Event | Rejected | None]:
        if not isinstance(item, dict):
            yield Rejected(None, [field_error("", "invalid", OBJECT)])
            return
        nonfinite = item.get("nonfinite")
        if nonfinite:
            self._errors += restore(item, nonfinite)
        for name, value in item.items():
            self._read_field(name, value)
        for name in sorted(_REQUIRED - item.keys()):
            self._add((name,), "invalid", MISSING)
        inspection = Inspection()
        yield from inspection.inspect(self._fields)
        self._errors += inspection.errors
        if self._errors:
            yield Rejected(self._fields.get("prediction_id"), self._errors[:MAX_ERRORS])
        else:
            yield Event(**self._fields, nonfinite=inspection.nonfinite or None)

    def _read_field(self, name: str, value: Any) -> None:
        read = _READERS.get(name)
        if read is None:
            if name not in _OTHERS:
                self._add_unknown(name)
            return
        if value is None and name not in _NOT_NULL:
            return
        try:
            self._fields[name] = read(value)
        except ValueError as error:
            self._add((name, *getattr(error, "steps", ())), "invalid", f"{error}".rstrip(".") + ".")
            return
        if name in _TIMES:
            late = time_violation(name, self._fields[name], self._received_at)
            self._errors += [late] if late else []

    def _add_unknown(self, name: str) -> None:
        if len(self._errors) < MAX_ERRORS:  # as in _add
            self._add((name,), "invalid", unknown_name("field", name, _READERS))

    def _add(self, path: Path, code: str, detail: str) -> None:
        if len(self._errors) < MAX_ERRORS:  # more are not shown, and each costs time
            self._errors.append(field_error(pointer_to(path), code, detail))
