"""Bodies that are sent compressed: gzip and zstd, in chunks of at most 64 KiB."""

import asyncio
import sys
import zlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator

from fastapi import Request
from typing_extensions import override

from service.core.errors import BadRequest, UnsupportedMedia

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_GZIP = 16 + zlib.MAX_WBITS
_CHUNK = 65_536
# RFC 9659: zstd over HTTP needs a window of at most 8 MB.
_WINDOW: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 23}


class InvalidEncoding(BadRequest):
    code, title = "bad_encoding", "The body does not match its Content-Encoding, or was cut short"


def decompressed(request: Request) -> AsyncIterator[bytes]:
    """Return the chunks of the decompressed body.

    Decompression yields at most 64 KiB at a time, so that a decompression bomb stays small.

    Raises:
        UnsupportedMedia: the Content-Encoding is not supported.
        InvalidEncoding: from the iterator.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "identity":
        return request.stream()
    if encoding not in _DECOMPRESSORS:
        raise UnsupportedMedia("Use gzip or zstd as Content-Encoding.")
    return _decompressed(request.stream(), _DECOMPRESSORS[encoding]())


async def _decompressed(
    chunks: AsyncIterator[bytes], decompressor: "_Decompressor"
) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        for plain_chunk in decompressor.feed(chunk):
            yield plain_chunk
            await asyncio.sleep(0)  # a small chunk can decompress to much: let other tasks run
    if not decompressor.complete:
        raise InvalidEncoding


class _Decompressor(ABC):
    """Decompress a body of one member or several, as `cat a.gz b.gz` makes them."""

    @property
    @abstractmethod
    def complete(self) -> bool:
        """Whether a member has just ended."""

    @abstractmethod
    def feed(self, compressed: bytes) -> Iterator[bytes]:
        """Yield what ``compressed`` adds, at most 64 KiB at a time."""


class _Gzip(_Decompressor):
    """RFC 1952; section 2.2 allows several members. Zeros may fill the space behind one."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)

    @property
    @override
    def complete(self) -> bool:
        return self._member.eof

    @override
    def feed(self, compressed: bytes) -> Iterator[bytes]:
        while compressed:
            if self._member.eof:
                compressed = compressed.lstrip(b"\0")
                if not compressed:
                    return
                self._member = zlib.decompressobj(_GZIP)
            try:
                yield self._member.decompress(compressed, _CHUNK)
            except zlib.error as error:
                raise InvalidEncoding from error
            compressed = self._member.unused_data or self._member.unconsumed_tail


class _Zstd(_Decompressor):
    """RFC 8878; section 3 allows several frames."""

    def __init__(self) -> None:
        self._frame = zstd.ZstdDecompressor(options=_WINDOW)

    @property
    @override
    def complete(self) -> bool:
        return self._frame.eof

    @override
    def feed(self, compressed: bytes) -> Iterator[bytes]:
        while compressed or not (self._frame.eof or self._frame.needs_input):
            if self._frame.eof:
                self._frame = zstd.ZstdDecompressor(options=_WINDOW)
            try:
                yield self._frame.decompress(compressed, _CHUNK)
            except zstd.ZstdError as error:
                raise InvalidEncoding from error
            compressed = self._frame.unused_data if self._frame.eof else b""


_DECOMPRESSORS: dict[str, type[_Decompressor]] = {"gzip": _Gzip, "zstd": _Zstd}
