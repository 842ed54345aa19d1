"""Records of a CSV file: a record that cannot be read costs its own lines, and no others.

A quote opens a value only at its beginning, after a delimiter or a line's start, and ``""`` stands
for a quote in it (RFC 4180). Elsewhere a quote is text: ``Pan 12" deep``. A quoted value may
contain line ends. If a line opens a value that is not closed as it should be, only this line is
rejected, and reading goes on at the next one.

A stray quote (``"5 inch``) may be closed by a later line's. It is stray if its line has the cells
of a row and a line behind it is a valid row; where any cells are valid, or those of its line are
not, at least two lines and two thirds of all must be rows. Blank lines do not count.

The work is linear: a line is scanned once as the beginning of a record and once as the inside of a
value, because how an open value goes on does not depend on the line that opened it.
"""

import csv
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import accumulate, repeat
from typing import NamedTuple

MAX_RECORD = 65_536  # characters
_LINES_PER_TURN = 32
_BLANK, _ROW, _OTHER = range(3)  # kinds of lines
_INSIDE = re.compile('(?:[^"]+|"")*+').match


class CsvRecord(NamedTuple):
    """The cells of a record that begins in ``line``, or the reason why it cannot be read."""

    line: int
    cells: list[str] | None
    reason: str = ""


class _End(NamedTuple):
    """Where an open value ends: the cells that begin behind it, or None if text follows it.

    ``opens`` is set if this line, read by itself, leaves a value open.
    """

    place: int
    more_cells: int | None
    opens: bool


class CsvSplitter:
    """Splits lines into records of ``width`` cells.

    Args:
        delimiter: between two cells.
        width: the number of cells of a record.
        fits: whether cells are a valid row, or None if any are; it decides which quote is stray.
        first_line: the number of the first line that will be read.
        max_record: the most characters of a record.
    """

    def __init__(
        self,
        delimiter: str,
        width: int,
        fits: Callable[[list[str]], bool] | None,
        first_line: int = 1,
        max_record: int = MAX_RECORD,
    ) -> None:
        self._delimiter, self._width, self._fits = delimiter, width, fits
        self._max_record = max_record
        self._dropped = first_line  # number of the line at place 0
        self._lines: list[str] = []
        self._place = 0  # of the next record
        self._lengths = [0]  # of all lines before a place
        # Of the lines that leave an open value open: the cells that begin in them and before.
        self._cells: list[int] = []
        self._scanned = 0  # place after the last of these lines
        self._end: _End | None = None
        self._kinds, self._known = bytearray(), 0  # of lines; place after those that are known

    def read(self, lines: Sequence[str], *, last: bool = False) -> Iterator[CsvRecord | None]:
        """Yield the complete records after these further lines; None where others may have a turn.

        Lines keep their ends. ``last`` is set if no further line follows.
        """
        self._take(lines)
        while self._place < len(self._lines):
            line = self._lines[self._place]
            if len(line) > self._max_record:
                yield self._reject(f"A record has at most {self._max_record} characters.")
            elif not line.strip(" \r\n"):
                self._place += 1
                yield None
            elif (cells := self._read_line(line)) is not None:
                yield self._record(cells, len(cells), self._place + 1)
            elif not (yield from self._read_lines(last)):
                return

    def _take(self, lines: Sequence[str]) -> None:
        place = self._place
        del self._lines[:place], self._cells[:place], self._lengths[:place], self._kinds[:place]
        self._place, self._dropped = 0, self._dropped + place
        self._scanned, self._known = self._scanned - place, self._known - place
        if self._end is not None:
            self._end = self._end._replace(place=self._end.place - place)
        self._lines += lines
        self._cells += repeat(0, len(lines))
        self._kinds += bytes(len(lines))
        total = self._lengths.pop()
        self._lengths += accumulate(map(len, lines), initial=total)

    def _record(self, cells: list[str] | None, width: int, following: int) -> CsvRecord:
        number, self._place = self._dropped + self._place, following
        if width == self._width:
            return CsvRecord(number, cells)
        return CsvRecord(number, None, f"Send {self._width} values; this record has {width}.")

    def _reject(self, reason: str) -> CsvRecord:
        record = CsvRecord(self._dropped + self._place, None, reason)
        self._place += 1
        return record

    def _read_line(self, line: str) -> list[str] | None:
        """Return the cells of one line, or None if a value does not end as it should."""
        if '"' not in line:
            return _split(line, self._delimiter)
        return parse_record(line, self._delimiter)

    def _read_lines(self, last: bool) -> Generator[CsvRecord | None, None, bool]:
        """Yield the record of several lines, or reject its first; False: more lines are needed."""
        here = self._place
        _, cells = scan(self._lines[here], self._delimiter, inside=False)
        if cells is None:
            yield self._reject("Send a delimiter after the closing quote, or double the quote.")
            return True
        end = yield from self._find_end(here)
        if end is None and not (last or self._exceeds(here, len(self._lines))):
            return False
        if end is None or end.more_cells is None or self._exceeds(here, end.place + 1):
            yield self._reject("Close the quoted value, or double the quote that begins it.")
            return True
        width = cells + self._cells[end.place - 1] - self._cells[here] + end.more_cells
        yield from self._whole(end, width)
        return True

    def _exceeds(self, start: int, end: int) -> bool:
        return self._lengths[end] - self._lengths[start] > self._max_record

    def _find_end(self, here: int) -> Generator[None, None, _End | None]:
        """Return where the value ends that the line at ``here`` leaves open."""
        if self._scanned <= here:
            self._scanned, self._end, self._cells[here] = here + 1, None, 0
        while self._end is None and self._scanned < len(self._lines):
            place = self._scanned
            if self._exceeds(here, place):
                break
            line = self._lines[place]
            is_open, cells = scan(line, self._delimiter, inside=True) if '"' in line else (True, 0)
            if is_open and cells is not None:
                self._cells[place] = self._cells[place - 1] + cells
                self._scanned += 1
            else:
                self._end = _End(place, cells, _opens(line, self._delimiter))
            if place % _LINES_PER_TURN == 0:
                yield None
        return self._end

    def _whole(self, end: _End, width: int) -> Generator[CsvRecord | None, None, None]:
        """Yield the record of the lines up to ``end``, or reject the first as a stray quote."""
        here, following, cells = self._place, end.place + 1, None
        if width == self._width:
            cells = parse_record("".join(self._lines[here:following]), self._delimiter)
        # A line of text may have a few cells; one with a stray quote has those of a whole row.
        alone = _split(self._lines[here], self._delimiter)
        is_stray = cells is None and end.opens
        if not is_stray and (cells is None or len(alone) >= self._width):
            is_sure = cells is None or not self._is_row(cells) or self._is_row(alone)
            is_stray = yield from self._hides_rows(here, end, is_sure and self._fits is not None)
        if is_stray:
            yield self._reject("Close the quoted value, or double the quote that begins it.")
        else:
            yield self._record(cells, width, following)

    def _hides_rows(self, here: int, end: _End, is_sure: bool) -> Generator[None, None, bool]:
        """Return whether a later line is a valid row; if not sure, whether two thirds are."""
        start, stop = here + 1, end.place + 1
        for place in range(max(start, self._known), stop):
            self._kinds[place], self._known = self._kind(self._lines[place]), place + 1
            if place % _LINES_PER_TURN == 0:
                yield None
        if is_sure:
            return self._kinds.find(_ROW, start, stop) >= 0
        others = self._kinds.count(_OTHER, start, stop)
        return self._kinds.count(_ROW, start, stop) > max(2 * others, 1)

    def _kind(self, line: str) -> int:
        if not line.strip(" \r\n"):
            return _BLANK
        cells = self._read_line(line) or _split(line, self._delimiter)
        return _ROW if self._is_row(cells) else _OTHER

    def _is_row(self, cells: list[str]) -> bool:
        return len(cells) == self._width and (self._fits is None or self._fits(cells))


def _split(line: str, delimiter: str) -> list[str]:
    return line.rstrip("\r\n").split(delimiter)


def opens_value(line: str, delimiter: str, *, inside: bool = False) -> bool:
    """Return whether a value is open at the line's end; ``inside``: one is open at its start."""
    return scan(line, delimiter, inside=inside)[0]


def _opens(line: str, delimiter: str) -> bool:
    """Return whether a value after a delimiter stays open; at the line's start a quote closes."""
    return not line.startswith('"') and scan(line, delimiter, inside=False)[0]


def parse_record(text: str, delimiter: str) -> list[str] | None:
    """Return the cells of one record, or None if it is none."""
    try:
        rows = list(csv.reader((text,), delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def scan(line: str, delimiter: str, *, inside: bool) -> tuple[bool, int | None]:
    """Return whether the line ends in a quoted value, and how many cells begin in it.

    None stands for text after a closing quote. ``inside`` is set if the line begins in a value.
    """
    text, cells, position = line.rstrip("\r\n"), int(not inside), 0
    if not inside and text.startswith('"'):
        inside, position = True, 1
    while True:
        if inside:
            match = _INSIDE(text, position)
            position = match.end() if match else position
            if position == len(text):
                return True, cells
            position += 1  # the closing quote
            if position < len(text) and text[position] != delimiter:
                return False, None
        else:
            position = text.find(delimiter, position)
        if position in (-1, len(text)):
            return False, cells
        cells, position = cells + 1, position + 1
        inside = text.startswith('"', position)
        position += inside
