"""The first row of a CSV file, which shows its delimiter and its columns."""

import re
from collections import Counter
from collections.abc import Collection
from typing import NamedTuple

from service.core.csv_records import parse_record
from service.core.errors import has_surrogate

DELIMITERS = (",", ";", "\t")
_SEP = re.compile(r'"?sep=([,;\t])"?[,;\t]*', re.IGNORECASE).fullmatch
_DECIMAL_COMMA = re.compile(r"-?[0-9]+,[0-9]+").fullmatch


class CsvHeader(NamedTuple):
    """The delimiter, and for each column the name of its field, or None.

    ``ignored`` names the columns without a field.
    """

    delimiter: str
    names: tuple[str | None, ...]
    ignored: tuple[str, ...]

    def to_number(self, cell: str) -> str:
        """Return a number with a point; Excel writes a comma where it delimits by other signs."""
        is_comma = self.delimiter != "," and _DECIMAL_COMMA(cell)
        return cell.replace(",", ".") if is_comma else cell


def read_sep(line: str) -> str | None:
    """Return the delimiter that Excel's line ``sep=;`` names."""
    match = _SEP(line.removeprefix("\ufeff").rstrip("\r\n"))
    return match[1] if match else None


def read_header(
    record: str, known: Collection[str], required: Collection[str], delimiter: str | None = None
) -> CsvHeader | None:
    """Return the header, or None if a required column is missing or a column occurs twice.

    Without a delimiter it is the one of comma, semicolon and tab that finds the most columns.
    Names are found in any case, with blanks around.
    """
    text = record.removeprefix("\ufeff")
    headers = [_header(text, sign, known) for sign in (delimiter or DELIMITERS)]
    best = max(headers, key=lambda header: len(header.names) - header.names.count(None))
    counts = Counter(name for name in (*best.names, *best.ignored) if name)
    is_good = set(required) <= set(best.names) and max(counts.values()) == 1
    return None if not is_good or has_surrogate(text) else best


def _header(text: str, delimiter: str, known: Collection[str]) -> CsvHeader:
    cells = [cell.strip() for cell in parse_record(text, delimiter) or ()]
    names = tuple(cell.lower() if cell.lower() in known else None for cell in cells)
    ignored = [cell for cell, name in zip(cells, names, strict=True) if cell and name is None]
    return CsvHeader(delimiter, names, tuple(ignored))
