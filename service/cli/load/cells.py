"""The types of CSV cells, by column, so that a name such as Nan stays text among names."""

import math
import re
from collections.abc import Callable, Iterable
from typing import Any, Literal

Kind = Literal["number", "boolean", "text"]
# As Python, pandas and R write them. A leading zero or plus is part of a code, not of a number.
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NONFINITE = {
    "nan": math.nan, "inf": math.inf, "infinity": math.inf, "-inf": -math.inf,
    "-infinity": -math.inf,
}  # fmt: skip
_BOOLEANS = {"true": True, "false": False}
# No value, as R, Excel, SQL, Python and pandas write it; among texts they may be names.
_MISSING = {"na", "n/a", "null", "none", "<na>"}
_MAX_DIGITS = 4000  # Python refuses to read more


def kind_of(cells: Iterable[str]) -> Kind:
    """Return the type of a column by its cells; empty ones, and NA among numbers, say nothing.

    NaN and Infinity are numbers among numbers, and a column of nothing else is one of numbers. A
    column of NA alone is text, so that no name is lost.
    """
    filled = [cell for cell in cells if cell]
    values = [cell for cell in filled if cell.lower() not in _MISSING]
    if filled and not values:
        return "text"
    if values and all(cell.lower() in _BOOLEANS for cell in values):
        return "boolean"
    return "number" if all(_number(cell) is not None for cell in values) else "text"


def converter(kind: Kind) -> Callable[[str], Any]:
    """Return the function from a cell to its value.

    An empty cell is None, and NA is None among numbers and booleans. Another cell that does not fit
    its column stays text, so that nothing is lost.
    """
    return _CONVERTERS[kind]


def _number(cell: str) -> int | float | None:
    if len(cell) <= _MAX_DIGITS and _INTEGER.fullmatch(cell):
        return int(cell)
    if _FLOAT.fullmatch(cell):
        value = float(cell)
        return value if math.isfinite(value) else None
    return _NONFINITE.get(cell.lower())


def _to_number(cell: str) -> int | float | str | None:
    value = _number(cell)
    return _unless_missing(cell) if value is None else value


def _to_boolean(cell: str) -> bool | str | None:
    value = _BOOLEANS.get(cell.lower())
    return _unless_missing(cell) if value is None else value


def _unless_missing(cell: str) -> str | None:
    return None if cell.lower() in _MISSING else _to_text(cell)


def _to_text(cell: str) -> str | None:
    return cell or None


_CONVERTERS: dict[Kind, Callable[[str], Any]] = {
    "number": _to_number,
    "boolean": _to_boolean,
    "text": _to_text,
}
