"""The rows of a file, whatever its format: an object each, or the reason why there is none."""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

from service.cli.load.lines import MAX_LINE_BYTES, FileUnreadable, Line, TextFile, open_lines
from service.core.csv_records import CsvSplitter, opens_value, parse_record
from service.core.errors import FieldError, field_error, has_surrogate

Format = Literal["csv", "ndjson", "parquet"]
FORMATS: dict[str, Format] = {
    "csv": "csv", "tsv": "csv", "txt": "csv", "ndjson": "ndjson", "jsonl": "ndjson",
    "json": "ndjson", "parquet": "parquet", "pq": "parquet",
}  # fmt: skip
DELIMITERS = ",;\t|"
SAMPLE_ROWS, SAMPLE_BYTES = 1000, 8 << 20
MAX_RECORD = 4 << 20  # characters; an event is not larger
_LINES_PER_BATCH = 500
_QUOTED = re.compile(r'"[^"]*"')


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
    """Return the rows of a file with a JSON object per line; blank lines are none."""
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
        return {}, _unreadable("The line is nested too deeply.")
    except ValueError as error:
        return {}, _unreadable(f"The line is not JSON: {error}.")
    if not isinstance(values, dict):
        return {}, _unreadable("The line is not a JSON object.")
    return values, None


def read_csv(file: TextFile, delimiter: str | None, encoding: str) -> Source:
    """Return the rows of a CSV file, whose first record has the names of the columns."""
    lines = _Lines(file, encoding)
    first = next(lines, "")
    records = csv_records(_chain(first, lines), delimiter or _guess_delimiter(first))
    _, header = next(records, (1, []))
    if isinstance(header, str):
        raise FileUnreadable(f"The header cannot be read: {header}.")
    return Source(_csv_rows(file, lines, records, header), check_columns(header), file.size, True)


class _Lines:
    """The decoded lines; a byte of another encoding becomes half of a surrogate pair."""

    def __init__(self, file: TextFile, encoding: str) -> None:
        self._lines, self._encoding, self.last_cut = iter(file), encoding, 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        if line.is_cut:
            self.last_cut = line.number
        return line.content.decode(self._encoding, "surrogateescape")


def csv_records(lines: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Yield where each record begins, and its cells, or why it cannot be read; no blank lines.

    The first record is the header. One that cannot be read costs its own lines and no others.
    """
    csv.field_size_limit(MAX_RECORD)
    lines = iter(lines)
    begin, first, following = _header(lines, delimiter)
    header = parse_record(first, delimiter)
    if not first:
        return
    yield begin, "it has a stray quote" if header is None else header
    splitter = CsvSplitter(delimiter, len(header or ()), None, following, MAX_RECORD)
    while True:
        batch = list(islice(lines, _LINES_PER_BATCH))
        for record in splitter.read(batch, last=not batch):
            if record is not None:
                yield record.line, record.reason if record.cells is None else record.cells
        if not batch:
            return


def _header(lines: Iterator[str], delimiter: str) -> tuple[int, str, int]:
    """Return the line of the first record, its text, and the line behind it."""
    text, begin, number, is_open = "", 1, 0, False
    for number, line in enumerate(lines, 1):
        if not text and not line.strip():
            continue
        begin, text = begin if text else number, text + line
        is_open = opens_value(line, delimiter, inside=is_open)
        if not is_open:
            break
    return begin, text, number + 1


def _csv_rows(
    file: TextFile,
    lines: _Lines,
    records: Iterator[tuple[int, list[str] | str]],
    header: list[str],
) -> Iterator[Row]:
    for number, (line, cells) in enumerate(records, 1):
        fault = _TOO_LONG if lines.last_cut >= line else _cell_fault(cells, len(header))
        values = {} if fault else dict(zip(header, cells, strict=True))
        yield Row(number, line, file.position, values, fault)


def _cell_fault(cells: list[str] | str, expected: int) -> FieldError | None:
    if isinstance(cells, str):
        return _unreadable(f"The record is not CSV: {cells}.")
    if len(cells) != expected:
        return _unreadable(f"The record has {len(cells)} cells, the header {expected}.")
    if any(not cell.isascii() and has_surrogate(cell) for cell in cells):
        return _unreadable(
            "The record has bytes of another encoding. Name it, such as --encoding cp1252."
        )
    return None


def _guess_delimiter(header: str) -> str:
    """Return the delimiter that occurs most often outside of quotes."""
    return max(DELIMITERS, key=_QUOTED.sub("", header).count)


def _chain(first: str, lines: Iterator[str]) -> Iterator[str]:
    yield first
    yield from lines


def _unreadable(detail: str) -> FieldError:
    return field_error(pointer="", code="unreadable", detail=detail)


_TOO_LONG = _unreadable(f"The line has more than {MAX_LINE_BYTES} bytes.")
