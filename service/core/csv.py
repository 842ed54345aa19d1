"""CSV that is written: cells that no spreadsheet takes for a formula, and Excel's dialect."""

import csv
import io
from collections.abc import Iterable
from typing import Any, Literal

Dialect = Literal["standard", "excel"]
# In front of a file; without it Excel takes UTF-8 for an older charset.
BYTE_ORDER_MARK = {"standard": b"", "excel": "\ufeff".encode()}
# OWASP, CSV Injection: with these, and their full-width forms, a cell is a formula.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠'")  # noqa: RUF001 - meant


def escape_formula(text: str) -> str:
    """Put a ``'`` before text that looks like a formula or already begins with ``'``."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def unescape_formula(cell: str) -> str:
    """Return the text before ``escape_formula``; other leading ``'`` belong to the text."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def write_csv(rows: Iterable[Iterable[Any]], dialect: Dialect = "standard") -> bytes:
    """Return rows as CSV in UTF-8 with CRLF.

    ``excel`` is for an Excel whose decimal sign is a comma: it delimits cells by semicolons. The
    file needs BYTE_ORDER_MARK in front, and :func:`decimal_comma` in numbers.
    """
    text = io.StringIO()
    csv.writer(text, delimiter=";" if dialect == "excel" else ",").writerows(rows)
    return text.getvalue().encode()


def decimal_comma(number: str, dialect: Dialect) -> str:
    """Return a number as the dialect has it: ``3,50`` in that of Excel."""
    return number.replace(".", ",") if dialect == "excel" else number
