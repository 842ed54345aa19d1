"""Bodies of the intake: plain or gzip, bounded by what they unpack to, in pieces or whole."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator

from fastapi import Request

from service.errors import BadRequest, TooLarge, UnsupportedMedia

_GZIP = 16 + zlib.MAX_WBITS
_PIECE = 65_536


class BadGzip(BadRequest):
    code, title = "bad_gzip", "The body is not gzip, or was cut short"


def check_media(request: Request, *kinds: str) -> None:
    """Refuses other content types with 415."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in kinds:
        raise UnsupportedMedia(f"Send it with Content-Type: {kinds[0]}.")


async def unpacked(request: Request) -> AsyncIterator[bytes]:
    """The pieces of the body, unpacked, at most 64 KiB each: a small bomb stays small."""
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip"):
        raise UnsupportedMedia("Content-Encoding may be gzip.")
    unpacker = _Unpacker()
    async for piece in request.stream():
        if encoding == "identity":
            yield piece
            continue
        for unpacked_piece in unpacker.feed(piece):
            yield unpacked_piece
            await asyncio.sleep(0)  # little can unpack to much; others have their turn in between
    if encoding == "gzip" and not unpacker.complete:
        raise BadGzip


class _Unpacker:
    """Unpacks gzip of one member or several (RFC 1952 2.2), as `cat a.gz b.gz` makes them."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)

    @property
    def complete(self) -> bool:
        """Whether a member has just ended."""
        return self._member.eof

    def feed(self, packed: bytes) -> Iterator[bytes]:
        """What ``packed`` adds, at most 64 KiB at a time."""
        while packed:
            if self._member.eof:
                self._member = zlib.decompressobj(_GZIP)
            try:
                yield self._member.decompress(packed, _PIECE)
            except zlib.error as error:
                raise BadGzip from error
            packed = self._member.unused_data or self._member.unconsumed_tail


async def whole(request: Request, most: int) -> bytes:
    """The body in one piece, of at most ``most`` bytes once unpacked."""
    pieces, size = [], 0
    plain = "content-encoding" not in request.headers
    async for piece in request.stream() if plain else unpacked(request):
        size += len(piece)
        if size > most:
            headers = {"Connection": "close"}
            raise TooLarge(f"At most {most} bytes are taken here.", headers=headers)
        pieces.append(piece)
    return b"".join(pieces)
