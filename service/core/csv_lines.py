"""Lines of a text that arrives in chunks of bytes, in any charset that CSV files have."""

import codecs
import io
from collections.abc import AsyncIterator

from service.core.csv_records import MAX_RECORD

_CHUNK = 65_536  # bytes that are decoded at once
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CHARSETS = ("utf-8", "utf-16", "ascii", "iso8859-", "cp125", "mac-roman")


def find_charset(name: str) -> str | None:
    """Return Python's name of a charset, or None if it is none that CSV files have."""
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):  # ValueError: a NUL in it
        return None
    return found if found.startswith(_CHARSETS) else None


async def read_lines(
    chunks: AsyncIterator[bytes], charset: str | None
) -> AsyncIterator[tuple[list[str], bool]]:
    """Yield batches of lines, and whether they are the last.

    LF, CRLF and CR end a line, and stay at it. Bytes that the charset does not have become halves
    of surrogate pairs. Only the beginning of a line over MAX_RECORD characters is kept. Without a
    charset the text is UTF-8, or UTF-16 if it begins with its byte order mark.
    """
    decoder: codecs.IncrementalDecoder | None = None
    lines = _Lines()
    async for chunk in _joined(chunks):
        if decoder is None:
            decoder = _decoder(charset or ("utf-16" if chunk.startswith(_UTF16) else "utf-8"))
        for start in range(0, len(chunk), _CHUNK):
            yield lines.split(decoder.decode(chunk[start : start + _CHUNK])), False
    yield lines.split(_end(decoder), last=True), True


async def _joined(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield chunks that are long enough for a byte order mark of UTF-16."""
    chunk = b""
    async for more in chunks:
        chunk += more
        if len(chunk) >= len(codecs.BOM_UTF16):
            yield chunk
            chunk = b""
    if chunk:
        yield chunk


def _decoder(charset: str) -> codecs.IncrementalDecoder:
    # UTF-16 has no surrogateescape; what it accepts instead is a lone surrogate, too.
    errors = "surrogatepass" if charset.startswith("utf-16") else "surrogateescape"
    return codecs.getincrementaldecoder(charset)(errors)


def _end(decoder: codecs.IncrementalDecoder | None) -> str:
    try:
        return decoder.decode(b"", final=True) if decoder else ""
    except UnicodeDecodeError:
        return "\udc80"


class _Lines:
    """Splits text into lines; keeps the line that has not ended."""

    def __init__(self) -> None:
        self._rest: list[str] = []
        self._length = 0
        self._pending = ""  # a CR, which may be half of a CRLF

    def split(self, text: str, *, last: bool = False) -> list[str]:
        text = self._pending + text
        self._pending = "\r" if text.endswith("\r") and not last else ""
        lines = io.StringIO(text.removesuffix(self._pending), newline="").readlines()
        tail = "" if last or not lines or lines[-1].endswith(("\r", "\n")) else lines.pop()
        if lines and self._rest:
            lines[0] = "".join((*self._rest, lines[0]))
            self._rest, self._length = [], 0
        if tail and self._length <= MAX_RECORD:
            self._rest.append(tail)
            self._length += len(tail)
        if last and self._rest:
            lines = ["".join(self._rest)]
        return [line if len(line) <= MAX_RECORD else line[: MAX_RECORD + 1] for line in lines]
