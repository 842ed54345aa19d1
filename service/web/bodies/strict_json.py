"""Strict parsing of JSON bodies: text that two parsers could read differently is an error.

Duplicate keys, NaN, Infinity, numbers beyond 64 bits, lone surrogates, NUL and endless nesting are
errors, because some parsers and stores accept them and others fail on them later.
"""

import json
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterator
from typing import Any, NamedTuple

from pydantic.fields import FieldInfo

from service.core.cooperative import run_cooperatively
from service.core.errors import BadRequest, Refused, ServiceError, field_error, has_surrogate
from service.web.problems import pointer_to

MAX_DEPTH = 32
MAX_VALUES = 20_000
VALUES_PER_PART = 100  # a part of the check takes 0.1 ms
INT64 = 2**63
OUT_OF_RANGE = "integer_out_of_range"
Path = tuple[object, ...]


class InvalidJson(BadRequest):
    code, title = "invalid_json", "Body is not valid JSON"


class InvalidUtf8(BadRequest):
    code, title = "invalid_utf8", "Body is not UTF-8"
    detail = "Send JSON as UTF-8 without a byte order mark."


class DuplicateKey(BadRequest):
    code, title = "duplicate_key", "Object has a key twice"


class TooDeep(BadRequest):
    code, title = "too_deep", "Body is nested too deeply"
    detail = f"Send at most {MAX_DEPTH} levels."


class TooManyValues(Refused):
    code, title = "too_many_values", "Body has too many values"
    detail = f"Send at most {MAX_VALUES} values, keys included."


class LargeIntegers:
    """Marks the type of a field in which integers may exceed 64 bits; its validator limits them."""


def fields_marked(body: FieldInfo | None, mark: type) -> frozenset[str]:
    """Return the fields of a body whose type has the mark."""
    fields: dict[str, FieldInfo] = getattr(body and body.annotation, "model_fields", {})
    marks = {name: map(type, field.metadata) for name, field in fields.items()}
    return frozenset(name for name, types in marks.items() if mark in types)


class InvalidItem(NamedTuple):
    """An element that is not valid, and its error with pointers into the element."""

    error: ServiceError


class _Repeating(dict[str, Any]):
    """An object with a key twice."""

    key = ""


class _Constant(str):
    """NaN, Infinity or -Infinity, which are not JSON."""

    __slots__ = ()


def parse_json(body: bytes) -> Any:
    """Return the value of a JSON text in UTF-8.

    Raises:
        BadRequest: it is not strict JSON (400).
        Refused: a value that neither store can keep, with its pointer (422).
    """
    value = _load_strictly(body)
    validate_value(value)
    return value


async def parse_body(
    body: bytes, each_apart: Collection[str] = (), large_integers: Collection[str] = ()
) -> Any:
    """Return the value of a JSON body as :func:`parse_json`, checked in slices.

    Args:
        body: UTF-8.
        each_apart: members of the body that are lists in which an invalid element becomes an
            :class:`InvalidItem`.
        large_integers: members of the body in which integers may exceed 64 bits.
    """
    value = _load_strictly(body)
    await run_cooperatively(_check_apart(value, each_apart, large_integers))
    return value


def _load_strictly(body: bytes) -> Any:
    return load_json(body, object_pairs_hook=_object, parse_constant=_Constant)


def load_json(body: bytes, **options: Callable[..., Any]) -> Any:
    """Return the value of a JSON body; ``options`` are those of ``json.loads``.

    Raises:
        BadRequest: it is not UTF-8, no JSON, or nested without end.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidUtf8 from error
    if text.startswith("\ufeff"):
        raise InvalidUtf8
    try:
        return _loads(text, options)
    except RecursionError as error:
        raise TooDeep from error
    except json.JSONDecodeError as error:
        where = f"{error.msg} at line {error.lineno}, column {error.colno}."
        raise InvalidJson(where) from error


def _loads(text: str, options: dict[str, Any]) -> Any:
    try:
        return json.loads(text, **options)
    except json.JSONDecodeError:
        raise
    except ValueError:  # an integer of more digits than Python converts
        return json.loads(text, **options, parse_int=_bounded_integer)


def _bounded_integer(digits: str) -> int:
    """Return an integer; of one with more than 99 digits, another that no store can keep."""
    return int(digits) if len(digits) < 100 else int(f"{digits[:99]}1")


def _check_apart(
    value: Any, each_apart: Collection[str], large_integers: Collection[str]
) -> Iterator[None]:
    """Check a body in small parts, the elements of some lists by themselves."""
    if not (each_apart and type(value) is dict):  # a _Repeating is refused as a whole
        yield from _check(value, MAX_VALUES, large_integers)
        return
    count = 0
    for name in each_apart:
        items: list[Any] = value[name] if isinstance(value.get(name), list) else []
        for place, item in enumerate(items):
            try:
                count += yield from _check(item, MAX_VALUES - count)
            except TooManyValues:
                raise
            except ServiceError as error:
                items[place] = InvalidItem(error)
    rest = {name: value[name] for name in value if name not in each_apart}
    yield from _check(rest, MAX_VALUES - count, large_integers)


def validate_value(value: Any) -> None:
    """Check a value.

    Raises:
        BadRequest: it is not strict JSON, with the place.
        Refused: a store cannot keep it, or it has more than MAX_VALUES values, keys included.
    """
    for _ in _check(value, MAX_VALUES):
        pass


def _check(
    value: Any, most: int = MAX_VALUES, large_integers: Collection[str] = ()
) -> Generator[None, None, int]:
    """Check a value of at most ``most`` values in parts; return their number, keys included."""
    count = 0
    for count, (path, leaf) in enumerate(_leaves(value), 1):
        if count > most:
            raise TooManyValues
        kind, code, detail = violation(leaf)
        if code and not (code == OUT_OF_RANGE and path and path[0] in large_integers):
            raise kind(detail, errors=[field_error(pointer_to(path), code, detail)])
        if count % VALUES_PER_PART == 0:
            yield
    yield
    return count


def _leaves(value: Any) -> Iterator[tuple[Path, Any]]:
    """Yield keys and scalars with their places; iterative, so that depth costs no stack."""
    todo: list[tuple[Path, Any]] = [((), value)]
    while todo:
        path, here = todo.pop()
        if len(path) > MAX_DEPTH:
            raise TooDeep
        if isinstance(here, _Repeating):
            yield (*path, here.key), here
        if isinstance(here, dict):
            for key, child in here.items():
                yield (*path, key), key
                todo.append(((*path, key), child))
        elif isinstance(here, list):
            if len(here) > MAX_VALUES:
                raise TooManyValues
            todo.extend(((*path, index), child) for index, child in enumerate(here))
        else:
            yield path, here


_NO_VIOLATION = (Refused, "", "")


def violation(leaf: Any) -> tuple[type[ServiceError], str, str]:
    """Return the kind, code and detail of the error of a key or scalar; an empty code is none."""
    if isinstance(leaf, str):
        return _violation_of_text(leaf)
    if isinstance(leaf, float):
        if leaf in (float("inf"), float("-inf")):
            return Refused, "number_out_of_range", "The number is too large for a 64-bit float."
    elif isinstance(leaf, int):
        if not -INT64 <= leaf < INT64:
            return Refused, OUT_OF_RANGE, "Integers must fit in 64 bits."
    elif isinstance(leaf, _Repeating):
        return DuplicateKey, DuplicateKey.code, "Send each key of an object once."
    return _NO_VIOLATION


def _violation_of_text(leaf: str) -> tuple[type[ServiceError], str, str]:
    if isinstance(leaf, _Constant):
        return InvalidJson, InvalidJson.code, f"{leaf} is not a JSON number."
    if "\x00" in leaf:
        return Refused, "nul_character", "Text must not contain the NUL character."
    if not leaf.isascii() and has_surrogate(leaf):
        return Refused, "invalid_unicode", "Text must not contain lone surrogates."
    return _NO_VIOLATION


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        value = _Repeating(value)
        keys = Counter(key for key, _ in pairs)
        value.key = keys.most_common(1)[0][0]
    return value
