"""The physical lines of a file, plain or packed, with bounded memory."""

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from service.cli.output import CommandFailed

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# More than any event may have, because columns may be left out.
MAX_LINE_BYTES = 16 << 20
BOM = b"\xef\xbb\xbf"


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

    def __init__(self, raw: BinaryIO, content: io.IOBase | BinaryIO, size: int) -> None:
        self._raw, self._content, self.size = raw, content, size

    @property
    def position(self) -> int:
        return self._raw.tell()

    def __iter__(self) -> Iterator[Line]:
        number = 0
        while content := self._read():
            number += 1
            yield Line(number, content.removeprefix(BOM) if number == 1 else content)
            while len(content) > MAX_LINE_BYTES and not content.endswith(b"\n"):
                content = self._read()

    def _read(self) -> bytes:
        try:
            return self._content.readline(MAX_LINE_BYTES + 1)
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


def _unpacked(raw: BinaryIO, ending: str) -> io.IOBase | BinaryIO:
    if ending == ".gz":
        return gzip.GzipFile(fileobj=raw)
    return zstd.ZstdFile(raw) if ending == ".zst" else raw
