"""NDJSON streams: a request read line by line, and a response written meanwhile.

Lines that the response has reported as committed stay so when the connection is cut.
"""

import json
from abc import abstractmethod
from codecs import BOM_UTF8
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from fastapi import Request
from starlette.types import Receive, Scope, Send

from service.core.errors import ServiceError
from service.core.media_types import parse_media_type
from service.web.streaming import DeferredResponse

NDJSON = "application/x-ndjson"
# Generated clients send lines as bytes, because few generators know the type of NDJSON.
BYTES = "application/octet-stream"


async def lines_of(
    pieces: AsyncIterator[bytes], longest: int, holding: Callable[[int], None] = lambda _: None
) -> AsyncIterator[bytes]:
    """Yield whole lines; the last needs no newline.

    A line of more than ``longest`` bytes stays one, and may lack some of them. A byte order mark
    before the first line is left out. ``holding`` is called with the number of bytes of an
    unfinished line.
    """
    rest, mark = bytearray(), BOM_UTF8
    async for piece in pieces:
        *ends, tail = piece.split(b"\n")
        for end in ends:
            yield (bytes(rest) + end).removeprefix(mark)
            mark = b""
            rest.clear()
        if len(rest) <= longest + len(mark):
            rest += tail
        holding(len(rest))
    if rest:
        yield bytes(rest).removeprefix(mark)


def stopped(committed_through: int, error: ServiceError) -> bytes:
    """Return the last line of an unfinished response; resume after ``committed_through``."""
    line = {
        "committed_through": committed_through,
        "status": error.status,
        "code": error.code,
        "detail": error.message,
    }
    return json.dumps(line).encode() + b"\n"


class LinesResponse(DeferredResponse):
    """A response that is written while the request is still being received.

    It is not compressed, because each of its short lines would be flushed by itself.
    """

    def __init__(self) -> None:
        super().__init__(NDJSON, {"Cache-Control": "private, no-cache, no-transform"})

    @abstractmethod
    def lines(self, request: Request) -> AsyncGenerator[bytes]:
        """Yield the lines of the response; an error before the first line is the response."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if parse_media_type(request.headers.get("content-type", "")) == BYTES:
            self.headers["content-type"] = BYTES  # what a client sends, it can read
        try:
            await self._respond(self.lines(request), send)
        except ServiceError as error:
            await self._send_error(error, scope, receive, send)
