"""JSON values that BSON keeps in another type: large whole numbers, and objects with ``$ref``.

BSON's integers have 64 bits, so a larger one is kept as Decimal128, exactly up to 34 digits. Its
driver reads an object with the text ``$ref`` and with ``$id`` as a DBRef, whatever it was.
"""

from operator import is_not
from typing import Any

from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.int64 import Int64

from service.web.bodies.strict_json import INT64, OUT_OF_RANGE

MAX_DIGITS = 34
MAX_WHOLE = 10**MAX_DIGITS - 1
NULL_DATABASE = ("null_database", "Omit $db beside $ref and $id.")
TOO_LARGE = f"Send whole numbers of more than {MAX_DIGITS} digits as text."


def to_bson(value: Any) -> Any:
    """Return a JSON value as BSON keeps it; what needs no change is not copied.

    Raises:
        decimal.Inexact: a whole number has more than 34 digits.
    """
    if isinstance(value, dict):
        copies = list(map(to_bson, value.values()))
        changed = any(map(is_not, copies, value.values()))
        return dict(zip(value, copies, strict=True)) if changed else value
    if isinstance(value, list):
        copies = list(map(to_bson, value))
        return copies if any(map(is_not, copies, value)) else value
    if isinstance(value, int) and not -INT64 <= value < INT64:
        return Decimal128(str(value))
    return value


def from_bson(value: Any) -> Any:
    """Return what :func:`to_bson` was given; a dictionary or list is changed in place.

    A decimal that another program wrote, which is no such number, becomes text.
    """
    if isinstance(value, DBRef):
        value = dict(value.as_doc())
    if isinstance(value, dict | list):
        for place, child in value.items() if isinstance(value, dict) else enumerate(value):
            if type(child) not in _SAME:
                value[place] = from_bson(child)
    elif isinstance(value, Decimal128):
        whole = to_whole(value)
        return str(value) if whole is None else whole
    return value


_FINE = frozenset((str, float, bool, type(None)))
_SAME = frozenset((str, int, Int64, float, bool, type(None)))


def to_whole(value: Decimal128) -> int | None:
    """Return a whole number beyond 64 bits; None for others, such as ``12.50`` and ``1E+30``."""
    decimal = value.to_decimal()
    if decimal.as_tuple().exponent != 0:
        return None
    whole = int(decimal)
    return None if -INT64 <= whole < INT64 else whole


def first_fault(value: Any) -> tuple[tuple[object, ...], str, str] | None:
    """Return path, code and detail of a part that would not come back equal; None without one."""
    todo: list[tuple[tuple[object, ...], Any]] = [((), value)]
    while todo:
        path, here = todo.pop()
        if isinstance(here, dict | list):
            if isinstance(here, dict) and loses_database(here):
                return (*path, "$db"), *NULL_DATABASE
            children = here.items() if isinstance(here, dict) else enumerate(here)
            todo.extend(
                ((*path, place), child) for place, child in children if type(child) not in _FINE
            )
        elif isinstance(here, int) and abs(here) > MAX_WHOLE:
            return path, OUT_OF_RANGE, TOO_LARGE
    return None


def loses_database(value: dict[str, Any]) -> bool:
    """Return whether the driver would take the null of ``$db`` for an absent database."""
    is_reference = isinstance(value.get("$ref"), str) and "$id" in value
    return is_reference and value.get("$db", "") is None
