"""Products as rows of an NDJSON or CSV file: reading, each row by itself, and writing.

The first row of a CSV names its columns. Its values are text: an empty one is left out, ``stock``
is a whole number, and a text that a spreadsheet would take for a formula has a ``'`` in front.
"""

import csv
import io
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from service.core.cooperative import Slices
from service.core.csv import escape_formula, unescape_formula
from service.core.errors import BadRequest, FieldError, ServiceError, field_error
from service.core.media_types import parse_media_type
from service.relational.catalog.schemas import ProductCreate, ProductRead
from service.web.problems import invalid_input
from service.web.strict_json import parse_json

Format = Literal["ndjson", "csv"]
# Import reads them, and export writes them, so that an exported file can be imported.
FIELDS = tuple(ProductCreate.model_fields)
_KNOWN, _REQUIRED = frozenset(FIELDS), {"sku", "name", "price", "currency"}
MAX_RECORD_BYTES = 65_536


class BadHeader(BadRequest):
    code, title = "bad_csv_header", "First row does not name the columns"
    detail = f"Use these names: {', '.join(FIELDS)}; sku, name, price and currency are required."


class ProductRow(NamedTuple):
    """A product of one line, or the errors of that line."""

    line: int
    product: ProductCreate | None
    errors: list[FieldError]


async def read_rows(lines: AsyncIterator[bytes], file_format: Format) -> AsyncIterator[ProductRow]:
    """Yield the rows of a body, one for each line that is not blank, with pauses for others.

    Raises:
        BadHeader: a CSV whose first row does not name its columns.
    """
    if file_format == "csv":
        async for row in _csv_rows(lines):
            yield row
        return
    number, slices = 0, Slices()
    async for line in lines:
        number += 1
        await slices.end()
        if line.strip():
            yield _ndjson_row(number, line)


def _ndjson_row(number: int, line: bytes) -> ProductRow:
    try:
        return _row(number, parse_json(line))
    except ServiceError as error:
        itself = field_error(pointer="", code=error.code, detail=error.message)
        return ProductRow(number, None, error.errors or [itself])


async def _csv_rows(lines: AsyncIterator[bytes]) -> AsyncIterator[ProductRow]:
    names: list[str] = []
    number, first, slices = 0, 0, Slices()
    # Joined and searched for quotes once, because a record may have as many lines as bytes.
    pieces: list[bytes] = []
    length = quotes = 0
    async for line in lines:
        number += 1
        await slices.end()
        first = first or number
        pieces.append(line + b"\n")
        length, quotes = length + len(line) + 1, quotes + line.count(b'"')
        if quotes % 2 == 1 and length <= MAX_RECORD_BYTES:  # the value continues in the next line
            continue
        record = b"".join(pieces)
        if names and record.strip():
            yield _csv_row(first, names, record)
        elif record.strip():
            names = _column_names(record)
        pieces, length, quotes, first = [], 0, 0, 0
    if pieces:
        error = field_error(pointer="", code="open_quote", detail="Close the quoted value.")
        yield ProductRow(first, None, [error])


def _column_names(record: bytes) -> list[str]:
    names = _cells(record.removeprefix(b"\xef\xbb\xbf")) or []
    if not _REQUIRED <= set(names) <= _KNOWN or len(set(names)) < len(names):
        raise BadHeader
    return names


def _cells(record: bytes) -> list[str] | None:
    try:
        rows = list(csv.reader(io.StringIO(record.decode()), strict=True))
    except (csv.Error, UnicodeDecodeError):
        return None
    return rows[0] if len(rows) == 1 else None


def _csv_row(number: int, names: list[str], record: bytes) -> ProductRow:
    cells = _cells(record)
    if cells is None or len(cells) != len(names):
        detail = f"Send {len(names)} values as CSV in UTF-8."
        return ProductRow(number, None, [field_error(pointer="", code="bad_csv", detail=detail)])
    values: dict[str, Any] = {
        name: unescape_formula(cell) for name, cell in zip(names, cells, strict=True) if cell
    }
    stock = values.get("stock", "")
    if stock.isdecimal() and len(stock) < 19:
        values["stock"] = int(stock)
    return _row(number, values)


def _row(number: int, value: Any) -> ProductRow:
    try:
        return ProductRow(number, ProductCreate.model_validate(value), [])
    except ValidationError as error:
        return ProductRow(number, None, invalid_input(error.errors(include_url=False)).errors)


def write_rows(products: Iterable[ProductRead], file_format: Format) -> bytes:
    """Return the rows of a file, without the row of names."""
    rows = [product.model_dump(mode="json", include=set(FIELDS)) for product in products]
    if file_format == "ndjson":
        return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
    return _to_csv([_cell(row[name]) for name in FIELDS] for row in rows)


def _cell(value: Any) -> Any:
    return escape_formula(value) if isinstance(value, str) else value


def header(file_format: Format) -> bytes:
    """Return the row of names of a CSV; NDJSON has none."""
    return _to_csv([FIELDS]) if file_format == "csv" else b""


def _to_csv(rows: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def media_type(file_format: Format) -> str:
    """Return the content type of a file."""
    return "text/csv; charset=utf-8" if file_format == "csv" else "application/x-ndjson"


def format_of(content_type: str) -> Format | None:
    """Return the format of a content type, or None if it is neither."""
    return _FORMATS.get(parse_media_type(content_type))


_FORMATS: Mapping[str, Format] = {
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "text/csv": "csv",
}
