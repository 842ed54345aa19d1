"""Errors of msgspec in words that repeat no value of the sender."""

import re

from service.core.errors import FieldError, ServiceError, field_error
from service.web.error_texts import (
    MISSING,
    OTHER,
    in_singular,
    unknown_name,
)
from service.web.schemas import TIME_DETAIL

_PATH = re.compile(r" - at `\$?(.*?)`$")
_STEP = re.compile(r"\.\.\.|[^.\[\]]+")
_NAMED = re.compile(r"Object (missing required|contains unknown) field `(.*)`", re.DOTALL)
_KIND = re.compile(r"Expected `([a-z0-9 |]+)`(?:, got `.*)?")
_LENGTH = re.compile(r"Expected `(str|array|object)` of length (>=|<=) (\d+)")
_BOUND = re.compile(r"Expected `(?:int|float)` (>=|<=|>|<) (\S+)")
_PATTERN = re.compile(r"Expected `str` matching regex '(.*)'", re.DOTALL)
_KINDS = {
    "str": "text", "object": "an object", "array": "a list", "bool": "true or false",
    "int": "an integer", "float": "a number", "uuid": "a UUID", "null": "null",
}  # fmt: skip
_BOUNDS = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}


def describe(message: str) -> tuple[list[str], str]:
    """Return the place and the sentence of an error of msgspec, which repeat no value.

    Such a message is ``Expected `int`, got `str` - at `$.output.label```; its path has ``...`` for
    a key that msgspec does not name.
    """
    path = _PATH.search(message)
    steps = _STEP.findall(path[1]) if path else []
    detail = _PATH.sub("", message)
    named = _NAMED.fullmatch(detail)
    if named:
        is_missing = named[1] == "missing required"
        return [*steps, named[2]], MISSING if is_missing else unknown_name("field", named[2], ())
    if "datetime" in detail or "timezone" in detail:
        return steps, f"{TIME_DETAIL}."
    return steps, _sentence(detail)


def _sentence(detail: str) -> str:
    if detail.startswith("Invalid enum value"):
        return "Send one of the values that /docs lists."
    if found := _LENGTH.fullmatch(detail):
        parts = "characters" if found[1] == "str" else "items"
        return in_singular(f"Send {_BOUNDS[found[2]]} {found[3]} {parts}.")
    if found := _BOUND.fullmatch(detail):
        return f"Send {_BOUNDS[found[1]]} {found[2].removesuffix('.0')}."
    if found := _PATTERN.fullmatch(detail):
        return f"Send text that matches {found[1]}."
    if found := _KIND.fullmatch(detail):
        kinds = [_KINDS[kind] for kind in found[1].split(" | ") if kind in _KINDS]
        return f"Send {' or '.join(kinds)}." if kinds else OTHER
    return {"Invalid UUID": "Send a UUID."}.get(detail, OTHER)


def first_error(error: ServiceError) -> FieldError:
    """Return the first field error, or the error itself as one of the whole event."""
    whole = field_error(pointer="", code=error.code, detail=error.message)
    return next(iter(error.errors), whole)
