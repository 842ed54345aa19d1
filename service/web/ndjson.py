"""NDJSON streams: a request read line by line, and a response written meanwhile.

Lines that the response has reported as committed stay so when the connection is cut.
"""

import json
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from fastapi import Request
from starlette.types import Receive, Scope, Send

from service.core.errors import ServiceError
from service.web.streaming import LateAnswer

NDJSON = "application/x-ndjson"


async def lines_of(
    pieces: AsyncIterator[bytes], longest: int, holding: Callable[[int], None] = lambda _: None
) -> AsyncIterator[bytes]:
    """Yield whole lines; the last needs no newline. Only the beginning of a too long line is kept.

    ``holding`` is called with the number of bytes of an unfinished line.
    """
    rest = bytearray()
    async for piece in pieces:
        *ends, tail = piece.split(b"\n")
        for end in ends:
            yield bytes(rest) + end
            rest.clear()
        if len(rest) <= longest:
            rest += tail
        holding(len(rest))
    if rest:
        yield bytes(rest)


def stopped(committed_through: int, refusal: ServiceError) -> bytes:
    """Return the last line of an unfinished response; resume after ``committed_through``."""
    line = {
        "committed_through": committed_through,
        "status": refusal.status,
        "code": refusal.code,
        "detail": refusal.message,
    }
    return json.dumps(line).encode() + b"\n"


class LinesAnswer(LateAnswer):
    """A response that is written while the request is still being received."""

    media_type = NDJSON

    @abstractmethod
    def lines(self, request: Request) -> AsyncGenerator[bytes]:
        """Yield the lines of the response; an error before the first line is the response."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._answer(self.lines(Request(scope, receive)), send)
        except ServiceError as refusal:
            await self._refuse(refusal, scope, receive, send)
