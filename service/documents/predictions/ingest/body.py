"""Read the bodies of the intake: plain or compressed, in chunks or whole, limited in size."""

from fastapi import Request

from service.core.errors import TooLarge, UnsupportedMedia
from service.core.media_types import parse_media_type
from service.documents.predictions.ingest.limiter import IntakeLimiter, TooMuchInFlight
from service.web.bodies.decompress import InvalidEncoding, decompressed

# The errors that each of these bodies can cause, for ``problems(…)``.
BODY_ERRORS = (TooLarge, InvalidEncoding, TooMuchInFlight)


def check_content_type(request: Request, *accepted: str) -> None:
    """Raise UnsupportedMedia unless the request has one of the accepted content types."""
    if parse_media_type(request.headers.get("content-type", "")) not in accepted:
        raise UnsupportedMedia(f"Send it with Content-Type: {accepted[0]}.")


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
