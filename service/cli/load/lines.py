"""The physical lines of a file, plain or packed, with bounded memory."""

import codecs
import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

from service.cli.output import CommandFailed

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# More than any event may have, because columns may be left out.
MAX_LINE_BYTES = 16 << 20
BOM = codecs.BOM_UTF8
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
T = TypeVar("T")


class FileUnreadable(CommandFailed):
    """The file is missing or damaged, has another format, no header, or a column twice."""


class Line(NamedTuple):
    """One line with its end; cut if it is longer than MAX_LINE_BYTES. ``number`` is from 1."""

    number: int
    content: bytes

    @property
    def is_cut(self) -> bool:
        return len(self.content) > MAX_LINE_BYTES


class TextFile:
    """An open file of lines. ``position`` is how many bytes of ``size`` were read."""

    def __init__(self, raw: BinaryIO, content: Any, size: int) -> None:
        self._raw, self._content, self.size = raw, content, size

    @property
    def position(self) -> int:
        return self._raw.tell()

    @property
    def is_utf16(self) -> bool:
        """Whether the file begins with the byte order mark of UTF-16; nothing is read yet."""
        begin: bytes = self._attempt(lambda: self._content.peek(2))
        return begin.startswith(_UTF16)

    def __iter__(self) -> Iterator[Line]:
        number = 0
        while content := self._read():
            number += 1
            yield Line(number, content.removeprefix(BOM) if number == 1 else content)
            while len(content) > MAX_LINE_BYTES and not content.endswith(b"\n"):
                content = self._read()

    def _read(self) -> bytes:
        line: bytes = self._attempt(lambda: self._content.readline(MAX_LINE_BYTES + 1))
        return line

    def decoded(self, encoding: str, longest: int) -> Iterator[str]:
        """Yield the lines of a text with their ends, which are LF, CRLF or CR.

        A byte that the encoding does not have becomes half of a surrogate pair. Only the beginning
        of a line over ``longest`` characters is returned. UTF-16 may be taken for UTF-8.
        """
        name = codecs.lookup(encoding).name
        if name == "utf-8" and self.is_utf16:
            name = "utf-16"
        # UTF-16 and UTF-32 have no surrogateescape.
        errors = "surrogatepass" if name.startswith(("utf-16", "utf-32")) else "surrogateescape"
        text = io.TextIOWrapper(self._content, name, errors, newline="")
        try:
            line = self._attempt(lambda: text.readline(longest + 1)).removeprefix("\ufeff")
            while line:
                yield line
                while len(line) > longest and not line.endswith(("\r", "\n")):
                    line = self._attempt(lambda: text.readline(longest + 1))
                line = self._attempt(lambda: text.readline(longest + 1))
        finally:
            if not text.closed:
                text.detach()  # else the file is closed with it

    def _attempt(self, read: Callable[[], T]) -> T:
        try:
            return read()
        except UnicodeError as error:
            raise FileUnreadable(f"The text has another encoding: {error}.") from error
        except (OSError, EOFError, zlib.error, zstd.ZstdError) as error:
            raise FileUnreadable(f"The file cannot be read to its end: {error}.") from error


@contextmanager
def open_lines(path: Path) -> Iterator[TextFile]:
    """Open a file, unpacked if its name ends with ``.gz`` or ``.zst``.

    Raises:
        FileUnreadable: it cannot be opened; also from its lines.
    """
    try:
        raw = path.open("rb")
    except OSError as error:
        raise FileUnreadable(f"{path} cannot be opened: {error.strerror}.") from error
    with raw:
        yield TextFile(raw, _unpacked(raw, path.suffix.lower()), path.stat().st_size)


def _unpacked(raw: BinaryIO, ending: str) -> Any:
    if ending == ".gz":
        return gzip.GzipFile(fileobj=raw)
    return zstd.ZstdFile(raw) if ending == ".zst" else raw
