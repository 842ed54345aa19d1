"""Bodies of the intake: plain or gzip, bounded by what they unpack to, in pieces or whole."""

import zlib
from collections.abc import AsyncIterator

from fastapi import Request

from service.errors import BadRequest, TooLarge, UnsupportedMedia

_GZIP = 16 + zlib.MAX_WBITS
_PIECE = 262_144


class BadGzip(BadRequest):
    code, title = "bad_gzip", "The body is not gzip, or was cut short"


def check_media(request: Request, *kinds: str) -> None:
    """Refuses other content types with 415."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in kinds:
        raise UnsupportedMedia(f"Send it with Content-Type: {kinds[0]}.")


async def unpacked(request: Request) -> AsyncIterator[bytes]:
    """The pieces of the body, unpacked, at most 256 KiB each: a small bomb stays small."""
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip"):
        raise UnsupportedMedia("Content-Encoding may be gzip.")
    unpacker = zlib.decompressobj(_GZIP) if encoding == "gzip" else None
    async for piece in request.stream():
        if unpacker is None:
            yield piece
            continue
        todo = piece
        while todo:
            try:
                yield unpacker.decompress(todo, _PIECE)
            except zlib.error as error:
                raise BadGzip from error
            todo = unpacker.unconsumed_tail
    if unpacker is not None and not unpacker.eof:
        raise BadGzip


async def whole(request: Request, most: int) -> bytes:
    """The body in one piece, of at most ``most`` bytes once unpacked."""
    pieces, size = [], 0
    async for piece in unpacked(request):
        size += len(piece)
        if size > most:
            headers = {"Connection": "close"}
            raise TooLarge(f"At most {most} bytes are taken here.", headers=headers)
        pieces.append(piece)
    return b"".join(pieces)
