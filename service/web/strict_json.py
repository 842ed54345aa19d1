"""Strict parsing of JSON bodies: text that two parsers could read differently is an error.

Duplicate keys, NaN, Infinity, numbers beyond 64 bits, lone surrogates, NUL and endless nesting are
errors, because some parsers and stores accept them and others fail on them later.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

from msgspec import Raw

from service.core.errors import BadRequest, FieldError, Refused
from service.web.problems import pointer_to

MAX_DEPTH = 32
MAX_VALUES = 20_000
INT64 = 2**63
Path = tuple[object, ...]
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


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


def parse_json(body: bytes) -> Any:
    """Return the value of a JSON body.

    Raises:
        BadRequest: it is not strict JSON (400).
        Refused: a value that neither store can keep, with its pointer (422).
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidUtf8 from error
    if text.startswith("\ufeff"):
        raise InvalidUtf8
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError as error:
        raise TooDeep from error
    except json.JSONDecodeError as error:
        where = f"{error.msg} at line {error.lineno}, column {error.colno}."
        raise InvalidJson(where) from error
    except ValueError as error:  # an integer of more digits than Python converts
        raise InvalidJson("A number has too many digits.") from error
    validate_value(value)
    return value


def raw_items(body: bytes, find: Callable[[bytes], Iterable[Raw]]) -> list[bytes]:
    """Return the parts of a JSON text that ``find`` finds, verbatim, though some are invalid.

    msgspec cannot find the end of a string with half a surrogate pair, such as an emoji cut in two;
    so it searches a copy of the same length without any.
    """
    masked = _SURROGATE.sub(rb"\\u0020", body)
    texts, end = [], 0
    for part in map(bytes, find(masked)):
        start = masked.index(part, end)
        end = start + len(part)
        texts.append(body[start:end])
    return texts


def validate_value(value: Any) -> None:
    """Raise for a value that a store cannot keep; iterative, so that depth costs no stack."""
    for count, (path, leaf) in enumerate(_leaves(value)):
        if count > MAX_VALUES:
            raise TooManyValues
        code, detail = violation(leaf)
        if code:
            error = FieldError(pointer=pointer_to(path), code=code, detail=detail)
            raise Refused(detail, errors=[error])


def _leaves(value: Any) -> Iterator[tuple[Path, Any]]:
    todo: list[tuple[Path, Any]] = [((), value)]
    while todo:
        path, here = todo.pop()
        if len(path) > MAX_DEPTH:
            raise TooDeep
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


def violation(leaf: Any) -> tuple[str, str]:
    if isinstance(leaf, str):
        if "\x00" in leaf:
            return "nul_character", "Text must not contain the NUL character."
        if not leaf.isascii() and any("\ud800" <= character <= "\udfff" for character in leaf):
            return "invalid_unicode", "Text must not contain lone surrogates."
    elif isinstance(leaf, float):
        if leaf in (float("inf"), float("-inf")):
            return "number_out_of_range", "The number is too large for a 64-bit float."
    elif isinstance(leaf, int) and not -INT64 <= leaf < INT64:
        return "integer_out_of_range", "Integers must fit in 64 bits."
    return "", ""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise DuplicateKey("Send each key of an object once.")
    return value


def _no_constant(name: str) -> NoReturn:
    raise InvalidJson(f"{name} is not a JSON number.")
