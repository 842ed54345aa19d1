"""Errors of msgspec in words that repeat no value of the sender."""

import re

from service.core.errors import FieldError, ServiceError, field_error
from service.web.schemas import TIME_DETAIL

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


def first_error(error: ServiceError) -> FieldError:
    """Return the first field error, or the error itself as one of the whole event."""
    whole = field_error(pointer="", code=error.code, detail=error.message)
    return next(iter(error.errors), whole)
