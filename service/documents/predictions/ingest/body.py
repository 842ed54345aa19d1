"""Bodies of the intake: plain or packed, bounded by what they unpack to, in pieces or whole."""

import asyncio
import sys
import zlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator

from fastapi import Request
from typing_extensions import override

from service.core.errors import BadRequest, TooLarge, UnsupportedMedia
from service.documents.predictions.ingest.limiter import InFlight, TooMuchInFlight

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_GZIP = 16 + zlib.MAX_WBITS
_PIECE = 65_536
# RFC 9659: over HTTP nobody needs to keep more than 8 MB of what was before.
_WINDOW: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 23}


class BadPacking(BadRequest):
    code, title = "bad_encoding", "The body is not what its Content-Encoding says, or was cut short"


# What any body here may be refused with, for ``problems(…)``.
REFUSALS = (TooLarge, BadPacking, TooMuchInFlight)


def check_media(request: Request, *kinds: str) -> None:
    """Refuses other content types with 415."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in kinds:
        raise UnsupportedMedia(f"Send it with Content-Type: {kinds[0]}.")


def unpacked(request: Request) -> AsyncIterator[bytes]:
    """The pieces of the body, unpacked, at most 64 KiB each: a small bomb stays small.

    Raises:
        UnsupportedMedia: it is packed in a way that is not known here.
        BadPacking: from the iterator.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "identity":
        return request.stream()
    if encoding not in _UNPACKERS:
        raise UnsupportedMedia("Content-Encoding may be gzip or zstd.")
    return _unpacked(request.stream(), _UNPACKERS[encoding]())


async def _unpacked(pieces: AsyncIterator[bytes], unpacker: "_Unpacker") -> AsyncIterator[bytes]:
    async for piece in pieces:
        for unpacked_piece in unpacker.feed(piece):
            yield unpacked_piece
            await asyncio.sleep(0)  # little can unpack to much; others have their turn in between
    if not unpacker.complete:
        raise BadPacking


class _Unpacker(ABC):
    """Unpacks a body of one member or several, as `cat a.gz b.gz` makes them."""

    @property
    @abstractmethod
    def complete(self) -> bool:
        """Whether a member has just ended."""

    @abstractmethod
    def feed(self, packed: bytes) -> Iterator[bytes]:
        """What ``packed`` adds, at most 64 KiB at a time."""


class _Gzip(_Unpacker):
    """RFC 1952, members after one another: 2.2."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)

    @property
    @override
    def complete(self) -> bool:
        return self._member.eof

    @override
    def feed(self, packed: bytes) -> Iterator[bytes]:
        while packed:
            if self._member.eof:
                self._member = zlib.decompressobj(_GZIP)
            try:
                yield self._member.decompress(packed, _PIECE)
            except zlib.error as error:
                raise BadPacking from error
            packed = self._member.unused_data or self._member.unconsumed_tail


class _Zstd(_Unpacker):
    """RFC 8878, frames after one another: 3."""

    def __init__(self) -> None:
        self._frame = zstd.ZstdDecompressor(options=_WINDOW)

    @property
    @override
    def complete(self) -> bool:
        return self._frame.eof

    @override
    def feed(self, packed: bytes) -> Iterator[bytes]:
        while packed or not (self._frame.eof or self._frame.needs_input):
            if self._frame.eof:
                self._frame = zstd.ZstdDecompressor(options=_WINDOW)
            try:
                yield self._frame.decompress(packed, _PIECE)
            except zstd.ZstdError as error:
                raise BadPacking from error
            packed = self._frame.unused_data if self._frame.eof else b""


_UNPACKERS: dict[str, type[_Unpacker]] = {"gzip": _Gzip, "zstd": _Zstd}


class Held:
    """The body in one piece, of at most ``most`` bytes once unpacked; in flight until it is done.

    ``async with Held(request, most) as body:``

    Raises:
        TooLarge: it is larger.
        TooMuchInFlight: all bodies together are.
    """

    def __init__(self, request: Request, most: int) -> None:
        self._request, self._most, self._size = request, most, 0
        self._in_flight: InFlight = request.state.in_flight

    async def __aenter__(self) -> bytes:
        pieces = []
        try:
            async for piece in unpacked(self._request):
                self._take(len(piece))
                pieces.append(piece)
        except BaseException:
            self._in_flight.give_back(self._size)
            raise
        return b"".join(pieces)

    async def __aexit__(self, *_: object) -> None:
        self._in_flight.give_back(self._size)

    def _take(self, size: int) -> None:
        self._in_flight.take(size)
        self._size += size
        if self._size > self._most:
            headers = {"Connection": "close"}
            raise TooLarge(f"At most {self._most} bytes are taken here.", headers=headers)
