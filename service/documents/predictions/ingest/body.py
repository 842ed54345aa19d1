"""Read the bodies of the intake: plain or compressed, in chunks or whole, limited in size."""

import asyncio
import sys
import zlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator

from fastapi import Request
from typing_extensions import override

from service.core.errors import BadRequest, TooLarge, UnsupportedMedia
from service.core.media_types import parse_media_type
from service.documents.predictions.ingest.limiter import IntakeLimiter, TooMuchInFlight

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


# The errors that each of these bodies can cause, for ``problems(…)``.
BODY_ERRORS = (TooLarge, InvalidEncoding, TooMuchInFlight)


def check_content_type(request: Request, *accepted: str) -> None:
    """Raise UnsupportedMedia unless the request has one of the accepted content types."""
    if parse_media_type(request.headers.get("content-type", "")) not in accepted:
        raise UnsupportedMedia(f"Send it with Content-Type: {accepted[0]}.")


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
    """RFC 1952; section 2.2 allows several members."""

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


class BufferedBody:
    """The whole decompressed body, counted by the intake limiter until the block ends.

    ``async with BufferedBody(request, max_bytes) as body:``

    Raises:
        TooLarge: the body is larger than ``max_bytes``.
        TooMuchInFlight: all bodies together are too large.
    """

    def __init__(self, request: Request, max_bytes: int) -> None:
        self._request, self._max_bytes, self._size = request, max_bytes, 0
        self._limiter: IntakeLimiter = request.state.intake_limiter

    async def __aenter__(self) -> bytes:
        chunks = []
        try:
            async for chunk in decompressed(self._request):
                self._acquire(len(chunk))
                chunks.append(chunk)
        except BaseException:
            self._limiter.release(self._size)
            raise
        return b"".join(chunks)

    async def __aexit__(self, *_: object) -> None:
        self._limiter.release(self._size)

    def _acquire(self, size: int) -> None:
        self._limiter.acquire(size)
        self._size += size
        if self._size > self._max_bytes:
            headers = {"Connection": "close"}
            raise TooLarge(f"Send at most {self._max_bytes} bytes.", headers=headers)
