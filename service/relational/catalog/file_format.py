"""Products as rows of a file: read from NDJSON or CSV, each by itself, and written as either.

A CSV has a first row of names. Its values are text: what is empty is left out, ``stock`` is a
whole number, and what a spreadsheet would take for a formula has a ``'`` in front.
"""

import csv
import io
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from service.core.errors import BadRequest, FieldError, ServiceError
from service.relational.catalog.schemas import ProductCreate, ProductRead
from service.web.csv import escape_formula, unescape_formula
from service.web.problems import invalid_input
from service.web.strict_json import parse_json

Format = Literal["ndjson", "csv"]
FIELDS = tuple(ProductCreate.model_fields)  # in their order: what is written can be read again
_KNOWN = frozenset(FIELDS)
LONGEST_RECORD = 65_536


class BadHeader(BadRequest):
    code, title = "bad_csv_header", "The first row is not one of names we know"
    detail = (
        f"The names there are: {', '.join(sorted(_KNOWN))}; sku, name, price and currency must."
    )


class Row(NamedTuple):
    """A product, or what is wrong with its line."""

    line: int
    product: ProductCreate | None
    errors: list[FieldError]


async def read_rows(lines: AsyncIterator[bytes], kind: Format) -> AsyncIterator[Row]:
    """The rows of a body, one for each line that is not blank.

    Raises:
        BadHeader: a CSV whose first row does not name its columns.
    """
    if kind == "csv":
        async for row in _csv_rows(lines):
            yield row
        return
    number = 0
    async for line in lines:
        number += 1
        if line.strip():
            yield _ndjson_row(number, line)


def _ndjson_row(number: int, line: bytes) -> Row:
    try:
        return _row(number, parse_json(line))
    except ServiceError as error:
        fault = FieldError(pointer="", code=error.code, detail=error.message)
        return Row(number, None, error.errors or [fault])


async def _csv_rows(lines: AsyncIterator[bytes]) -> AsyncIterator[Row]:
    names: list[str] = []
    number, begun, record = 0, 0, b""
    async for line in lines:
        number += 1
        begun = begun or number
        record += line + b"\n"
        quoted = record.count(b'"') % 2 == 1  # a value goes on in the next line
        if quoted and len(record) <= LONGEST_RECORD:
            continue
        text, first = record, begun
        record, begun = b"", 0
        if not text.strip():
            continue
        if not names:
            names = _header(text)
        else:
            yield _csv_row(first, names, text)
    if record.strip():
        fault = FieldError(pointer="", code="open_quote", detail="A quoted value has no end.")
        yield Row(begun, None, [fault])


def _header(text: bytes) -> list[str]:
    names = _cells(text.removeprefix(b"\xef\xbb\xbf")) or []
    needed = {"sku", "name", "price", "currency"}
    if not needed <= set(names) <= _KNOWN or len(set(names)) < len(names):
        raise BadHeader
    return names


def _cells(text: bytes) -> list[str] | None:
    try:
        rows = list(csv.reader(io.StringIO(text.decode()), strict=True))
    except (csv.Error, UnicodeDecodeError):
        return None
    return rows[0] if len(rows) == 1 else None


def _csv_row(number: int, names: list[str], text: bytes) -> Row:
    cells = _cells(text)
    if cells is None or len(cells) != len(names):
        told = f"It is no CSV of {len(names)} values in UTF-8."
        return Row(number, None, [FieldError(pointer="", code="bad_csv", detail=told)])
    found: dict[str, Any] = {
        name: unescape_formula(cell) for name, cell in zip(names, cells, strict=True) if cell
    }
    stock = found.get("stock", "")
    if stock.isdecimal() and len(stock) < 19:
        found["stock"] = int(stock)
    return _row(number, found)


def _row(number: int, value: Any) -> Row:
    try:
        return Row(number, ProductCreate.model_validate(value), [])
    except ValidationError as error:
        return Row(number, None, invalid_input(error.errors(include_url=False)).errors)


def write_rows(products: Iterable[ProductRead], kind: Format) -> bytes:
    """The rows of a file, without the row of names."""
    rows = [product.model_dump(mode="json", include=set(FIELDS)) for product in products]
    if kind == "ndjson":
        return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
    return _as_csv([_cell(row[name]) for name in FIELDS] for row in rows)


def _cell(value: Any) -> Any:
    return escape_formula(value) if isinstance(value, str) else value


def header(kind: Format) -> bytes:
    """The row of names, which a CSV has."""
    return _as_csv([FIELDS]) if kind == "csv" else b""


def _as_csv(rows: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def media_type(kind: Format) -> str:
    """The content type of a file."""
    return "text/csv; charset=utf-8" if kind == "csv" else "application/x-ndjson"


def format_of(content_type: str) -> Format | None:
    """What a content type says; None if it is neither."""
    kind = content_type.partition(";")[0].strip().lower()
    return _KINDS.get(kind)


_KINDS: Mapping[str, Format] = {
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "text/csv": "csv",
}
