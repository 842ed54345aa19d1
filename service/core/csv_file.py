"""A CSV file that is read while it arrives: its header, then record by record."""

from collections.abc import AsyncIterator, Callable

from service.core.cooperative import Slices
from service.core.csv_header import DELIMITERS, read_sep
from service.core.csv_lines import read_lines
from service.core.csv_records import MAX_RECORD, CsvRecord, CsvSplitter, opens_value


class CsvFile:
    """Read ``header`` first, then ``records``; both pause for other tasks."""

    def __init__(self, chunks: AsyncIterator[bytes], charset: str | None) -> None:
        self._batches = read_lines(chunks, charset)
        self._lines: list[str] = []
        self._last, self._taken, self._number = False, 0, 0  # number of lines
        self._slices = Slices()

    async def header(self) -> tuple[str, str | None]:
        """Return the first record, empty if there is none, and the delimiter.

        It is None unless a line before the record names it, as Excel writes one.
        """
        line = await self._next_line()
        delimiter = read_sep(line)
        if delimiter is not None:
            line = await self._next_line()
        lines, length, text = [line], len(line), line.removeprefix("\ufeff")
        signs = [sign for sign in delimiter or DELIMITERS if opens_value(text, sign)]
        while signs and length <= MAX_RECORD and line:
            line = await self._next_line()
            lines.append(line)
            length += len(line)
            signs = [sign for sign in signs if opens_value(line, sign, inside=True)]
        return "".join(lines), delimiter

    async def _next_line(self) -> str:
        """Return the next line that is not blank, or an empty text."""
        while True:
            await self._slices.end()
            if self._taken == len(self._lines):
                if self._last:
                    return ""
                self._lines, self._last = await anext(self._batches)
                self._taken = 0
                continue
            line = self._lines[self._taken]
            self._taken, self._number = self._taken + 1, self._number + 1
            if line.strip("\ufeff \r\n"):
                return line

    async def records(
        self, delimiter: str, width: int, fits: Callable[[list[str]], bool]
    ) -> AsyncIterator[CsvRecord]:
        """Yield the records behind the header, as :class:`CsvSplitter` reads them."""
        splitter = CsvSplitter(delimiter, width, fits, self._number + 1)
        lines = self._lines[self._taken :]
        while True:
            for record in splitter.read(lines, last=self._last):
                await self._slices.end()
                if record is not None:
                    yield record
            if self._last:
                return
            lines, self._last = await anext(self._batches)
