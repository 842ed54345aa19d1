"""Products as rows of an NDJSON or CSV file: reading, each row by itself, and writing.

The first row of a CSV names its columns. Its values are text: ``stock`` and ``version`` are whole
numbers, and absent where they are empty; an empty ``category_id`` is null. A text that a
spreadsheet would take for a formula has a ``'`` in front.
"""

import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from service.core.cooperative import Slices
from service.core.csv import (
    BYTE_ORDER_MARK,
    Dialect,
    decimal_comma,
    escape_formula,
    unescape_formula,
    write_csv,
)
from service.core.csv_file import CsvFile
from service.core.csv_header import CsvHeader, read_header
from service.core.csv_lines import find_charset
from service.core.csv_records import CsvRecord
from service.core.errors import (
    MAX_ERRORS,
    BadRequest,
    FieldError,
    ServiceError,
    field_error,
    has_surrogate,
)
from service.core.media_types import parse_charset, parse_media_type
from service.relational.catalog.file_schemas import ProductLine
from service.relational.catalog.schemas import ProductCreate, ProductRead
from service.web.bodies.ndjson import BYTES, lines_of
from service.web.bodies.strict_json import parse_body
from service.web.problems import invalid_value

Format = Literal["ndjson", "csv"]
# Import reads them, and export writes them, so that an exported file can be imported.
FIELDS = tuple(ProductCreate.model_fields)
_COLUMNS = frozenset(ProductLine.model_fields)
_REQUIRED = frozenset({"sku"})
_WHOLE = re.compile("[0-9]{1,18}").fullmatch
MAX_RECORD_BYTES = 65_536


class BadHeader(BadRequest):
    code, title = "bad_csv_header", "First row does not name the columns"
    detail = f"Use these names once each: {', '.join((*FIELDS, 'version'))}; sku is required."


class FileType(NamedTuple):
    """The format of a file, and Python's name of its charset if it is declared."""

    format: Format
    charset: str | None = None


class ProductRow(NamedTuple):
    """A product of one record that begins in ``line``, or at most MAX_ERRORS errors of it.

    ``size`` is about that of the record in bytes.
    """

    line: int
    product: ProductLine | None
    errors: list[FieldError]
    size: int


class ProductFile:
    """The rows of a file; ``ignored`` names the columns of a CSV that products do not have."""

    def __init__(self, chunks: AsyncIterator[bytes], file_type: FileType) -> None:
        self._chunks, self._type = chunks, file_type
        self.ignored: Sequence[str] = ()

    async def rows(self) -> AsyncIterator[ProductRow]:
        """Yield a row for each record, with pauses for others.

        Raises:
            BadHeader: a CSV whose first row does not name its columns.
        """
        read = self._csv_rows if self._type.format == "csv" else self._ndjson_rows
        async for row in read():
            yield row

    async def _ndjson_rows(self) -> AsyncIterator[ProductRow]:
        number, slices = 0, Slices()
        async for line in lines_of(self._chunks, MAX_RECORD_BYTES):
            number += 1
            await slices.end()
            if line.strip():
                yield await _ndjson_row(number, line)

    async def _csv_rows(self) -> AsyncIterator[ProductRow]:
        file = CsvFile(self._chunks, self._type.charset)
        first, delimiter = await file.header()
        if not first:
            return
        header = read_header(first, _COLUMNS, _REQUIRED, delimiter)
        if header is None:
            raise BadHeader
        self.ignored = header.ignored

        def fits(cells: list[str]) -> bool:
            return _row(0, _values(header, cells), 0).product is not None

        async for record in file.records(header.delimiter, len(header.names), fits):
            yield _csv_row(header, record)


async def _ndjson_row(number: int, line: bytes) -> ProductRow:
    if len(line) > MAX_RECORD_BYTES:
        return _faulty(number, "line_too_long", f"Send lines of at most {MAX_RECORD_BYTES} bytes.")
    try:
        return _row(number, await parse_body(line), len(line))
    except ServiceError as error:
        if error.errors:
            return ProductRow(number, None, error.errors, len(line))
        return _faulty(number, error.code, error.message)


def _csv_row(header: CsvHeader, record: CsvRecord) -> ProductRow:
    if record.cells is None:
        return _faulty(record.line, "bad_csv", record.reason)
    if any(has_surrogate(cell) for cell in record.cells if not cell.isascii()):
        reason = "Send UTF-8, or name the charset in Content-Type."
        return _faulty(record.line, "bad_csv", reason)
    return _row(record.line, _values(header, record.cells), sum(map(len, record.cells)))


def _faulty(line: int, code: str, detail: str) -> ProductRow:
    return ProductRow(line, None, [field_error(pointer="", code=code, detail=detail)], len(detail))


def _values(header: CsvHeader, cells: Sequence[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, cell in zip(header.names, cells, strict=True):
        match name:
            case None:
                pass
            case "stock" | "version":
                if cell:
                    values[name] = int(cell) if _WHOLE(cell) else cell
            case "category_id":
                values[name] = cell or None
            case "price":
                values[name] = header.to_number(cell)
            case _:
                values[name] = unescape_formula(cell)
    return values


def _row(number: int, value: Any, size: int) -> ProductRow:
    try:
        return ProductRow(number, ProductLine.model_validate(value), [], size)
    except ValidationError as error:
        errors = invalid_value(error, "body", ProductLine).errors[:MAX_ERRORS]
        return ProductRow(number, None, errors, size)


def write_rows(
    products: Iterable[ProductRead], file_format: Format, dialect: Dialect = "standard"
) -> bytes:
    """Return the rows of a file, without the row of names."""
    rows = [product.model_dump(mode="json", include=set(FIELDS)) for product in products]
    if file_format == "ndjson":
        return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
    for row in rows:
        row["price"] = decimal_comma(row["price"], dialect)
    return write_csv(([_cell(row[name]) for name in FIELDS] for row in rows), dialect)


def _cell(value: Any) -> Any:
    return escape_formula(value) if isinstance(value, str) else value


def header(file_format: Format, dialect: Dialect = "standard") -> bytes:
    """Return the row of names of a CSV; NDJSON has none."""
    is_csv = file_format == "csv"
    return BYTE_ORDER_MARK[dialect] + write_csv([FIELDS], dialect) if is_csv else b""


def media_type(file_format: Format) -> str:
    """Return the content type of a file."""
    return "text/csv; charset=utf-8" if file_format == "csv" else "application/x-ndjson"


def read_type(content_type: str) -> FileType | None:
    """Return the type of a file, or None if its format or its charset cannot be read."""
    file_format = _FORMATS.get(parse_media_type(content_type))
    try:
        name = parse_charset(content_type)
    except ValueError:
        return None
    charset = None if name is None else find_charset(name)
    if file_format is None or (name is not None and charset is None):
        return None
    if file_format == "ndjson" and charset not in (None, "utf-8", "ascii"):
        return None
    return FileType(file_format, charset)


_FORMATS: Mapping[str, Format] = {
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    BYTES: "ndjson",
    "text/csv": "csv",
}
