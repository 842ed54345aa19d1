"""The rows of a file, whatever its format: an object each, or the reason why there is none."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

from service.cli.load.csv_text import MAX_RECORD, csv_records
from service.cli.load.lines import MAX_LINE_BYTES, FileUnreadable, Line, TextFile, open_lines
from service.core.errors import FieldError, field_error, has_surrogate

Format = Literal["csv", "ndjson", "parquet"]
FORMATS: dict[str, Format] = {
    "csv": "csv", "tsv": "csv", "txt": "csv", "ndjson": "ndjson", "jsonl": "ndjson",
    "json": "ndjson", "parquet": "parquet", "pq": "parquet",
}  # fmt: skip
SAMPLE_ROWS, SAMPLE_BYTES = 1000, 8 << 20


class Row(NamedTuple):
    """One row. ``number`` counts rows from 1, ``line`` is where it begins, None in Parquet.

    ``values`` are by column, cells of CSV as text; empty if there is a ``fault``. ``position`` is
    how much of the file was read.
    """

    number: int
    line: int | None
    position: int
    values: dict[str, Any]
    fault: FieldError | None = None


class Source(NamedTuple):
    """An open file. ``columns`` is None if rows differ; ``size`` is the last row's position.

    ``is_text`` means that values are cells of CSV. ``sample_rows`` decide what is guessed.
    """

    rows: Iterator[Row]
    columns: list[str] | None
    size: int
    is_text: bool = False
    sample_rows: int = SAMPLE_ROWS

    def take_sample(self) -> list[Row]:
        """Take the first rows from ``rows``: fewer where they are large."""
        sample: list[Row] = []
        for row in self.rows:
            sample.append(row)
            if len(sample) >= self.sample_rows or row.position >= SAMPLE_BYTES:
                break
        return sample


def format_of(path: Path) -> Format:
    """Return the format by the file's name.

    Raises:
        FileUnreadable: the name has no known ending.
    """
    ending = path.name.lower().removesuffix(".gz").removesuffix(".zst").rpartition(".")[2]
    if ending not in FORMATS:
        raise FileUnreadable(
            f"{path.name} has no known ending. Add --format csv, ndjson or parquet."
        )
    return FORMATS[ending]


@contextmanager
def open_source(
    path: Path, kind: Format | None, delimiter: str | None, encoding: str
) -> Iterator[Source]:
    """Open a file for one pass.

    Raises:
        FileUnreadable: it cannot be opened, or has another format; also from its rows.
    """
    kind = kind or format_of(path)
    if kind == "parquet":
        from service.cli.load.parquet import read_parquet  # noqa: PLC0415 - imports pyarrow

        yield read_parquet(path)
        return
    with open_lines(path) as file:
        yield read_ndjson(file) if kind == "ndjson" else read_csv(file, delimiter, encoding)


def check_columns(columns: list[str]) -> list[str]:
    """Return the columns.

    Raises:
        FileUnreadable: there is none, or one has the name of another; columns without name may.
    """
    twice = [name for name, times in Counter(columns).items() if times > 1 and name]
    if twice:
        raise FileUnreadable(f"Column {twice[0]!r} occurs twice. Rename one of them.")
    if not any(columns):
        raise FileUnreadable("The file has no header with names of columns.")
    return columns


def read_ndjson(file: TextFile) -> Source:
    """Return the rows of a file with a JSON object per line; blank lines are none.

    Raises:
        FileUnreadable: it is UTF-16.
    """
    if file.is_utf16:
        raise FileUnreadable("The file is UTF-16, but NDJSON is UTF-8. Convert it first.")
    return Source(_ndjson_rows(file), None, file.size)


def _ndjson_rows(file: TextFile) -> Iterator[Row]:
    lines = (line for line in file if line.content.strip())
    for number, line in enumerate(lines, 1):
        values, fault = _parse(line)
        yield Row(number, line.number, file.position, values, fault)


def _parse(line: Line) -> tuple[dict[str, Any], FieldError | None]:
    if line.is_cut:
        return {}, _TOO_LONG
    try:
        values = json.loads(line.content)
    except RecursionError:
        return {}, unreadable("The line is nested too deeply.")
    except ValueError as error:
        return {}, unreadable(f"The line is not JSON: {error}.")
    if not isinstance(values, dict):
        return {}, unreadable("The line is not a JSON object.")
    return values, None


def read_csv(file: TextFile, delimiter: str | None, encoding: str) -> Source:
    """Return the rows of a CSV file, whose first record has the names of the columns."""
    records = csv_records(file.decoded(encoding, MAX_RECORD), delimiter)
    _, header = next(records, (1, []))
    if isinstance(header, str):
        raise FileUnreadable(f"The header cannot be read: {header}.")
    return Source(_csv_rows(file, records, header), check_columns(header), file.size, True)


def _csv_rows(
    file: TextFile, records: Iterator[tuple[int, list[str] | str]], header: list[str]
) -> Iterator[Row]:
    for number, (line, cells) in enumerate(records, 1):
        fault = _cell_fault(cells, len(header))
        values = {} if fault else dict(zip(header, cells, strict=True))
        yield Row(number, line, file.position, values, fault)


def _cell_fault(cells: list[str] | str, expected: int) -> FieldError | None:
    if isinstance(cells, str):
        return unreadable(f"The record is not CSV: {cells}.")
    if len(cells) != expected:
        return unreadable(f"The record has {len(cells)} cells, the header {expected}.")
    if any(not cell.isascii() and has_surrogate(cell) for cell in cells):
        return unreadable(
            "The record has bytes of another encoding. Name it, such as --encoding cp1252."
        )
    return None


def unreadable(detail: str) -> FieldError:
    """Return the fault of a row that is no object of JSON."""
    return field_error(pointer="", code="unreadable", detail=detail)


_TOO_LONG = unreadable(f"The line has more than {MAX_LINE_BYTES} bytes.")
