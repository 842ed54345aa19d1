"""The records of a CSV file: its encoding, its delimiter, its header, and each record's place."""

import csv
from collections.abc import Iterable, Iterator
from itertools import chain

from service.core.csv_header import read_sep
from service.core.csv_records import (
    CsvSplitter,
    parse_record,
    scan,
)

DELIMITERS = ",;\t|"
MAX_RECORD = 4 << 20  # characters; an event is not larger
_LINES_PER_BATCH = 500


def csv_records(
    lines: Iterable[str], delimiter: str | None = None
) -> Iterator[tuple[int, list[str] | str]]:
    """Yield where each record begins, and its cells, or why it cannot be read; no blank lines.

    The first record is the header. One that cannot be read costs its own lines and no others.
    Without a delimiter it is the one that Excel's line ``sep=;`` names, else the one that finds the
    most columns in the header.
    """
    csv.field_size_limit(MAX_RECORD)
    numbered = enumerate(lines, 1)
    filled = ((number, line) for number, line in numbered if line.strip())
    number, first = next(filled, (1, ""))
    if (sep := read_sep(first)) is not None:
        delimiter = delimiter or sep
        number, first = next(filled, (1, ""))
    if not first:
        return
    delimiter = delimiter or max(DELIMITERS, key=lambda sign: _cells(first, sign))
    text, following = _header(number, first, numbered, delimiter)
    header = parse_record(text, delimiter)
    yield number, "it has a stray quote" if header is None else header
    rest = (line for _, line in numbered)
    splitter = CsvSplitter(delimiter, len(header or ()), None, following, MAX_RECORD)
    for batch in chain(_batches(rest), ([],)):
        for record in splitter.read(batch, last=not batch):
            if record is not None:
                yield record.line, record.reason if record.cells is None else record.cells


def _cells(line: str, delimiter: str) -> int:
    """Return how many cells begin in a line, 0 if it has text behind a closing quote."""
    return scan(line, delimiter, inside=False)[1] or 0


def _header(
    number: int, first: str, lines: Iterator[tuple[int, str]], delimiter: str
) -> tuple[str, int]:
    """Return the text of the first record, which goes on while a name is open, and the next line.

    One that is longer than a record may be is cut.
    """
    parts, size = [first], len(first)
    is_open, _ = scan(first, delimiter, inside=False)
    while is_open and size <= MAX_RECORD:
        number, line = next(lines, (number, ""))
        if not line:
            break
        parts.append(line)
        size += len(line)
        is_open, _ = scan(line, delimiter, inside=True)
    return "".join(parts), number + 1


def _batches(lines: Iterable[str]) -> Iterator[list[str]]:
    """Yield lines together, as many as memory may hold at once."""
    batch, size = list[str](), 0
    for line in lines:
        batch.append(line)
        size += len(line)
        if len(batch) >= _LINES_PER_BATCH or size >= MAX_RECORD:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
