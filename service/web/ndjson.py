"""Streams of lines: a request that is read line by line, and an answer that is written while it is.

NDJSON, one JSON value a line; what a sender was told is done stays done when its connection is cut.
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
    """Whole lines; the last needs no newline. Of one that is too long the first part will do.

    ``holding`` hears how many bytes there are of a line whose end has not come.
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
    """The last line of an answer that could not be finished; go on after ``committed_through``."""
    told = {
        "committed_through": committed_through,
        "status": refusal.status,
        "code": refusal.code,
        "detail": refusal.message,
    }
    return json.dumps(told).encode() + b"\n"


class LinesAnswer(LateAnswer):
    """Answers while the request is still coming in, to who reads while they send."""

    media_type = NDJSON

    @abstractmethod
    def lines(self, request: Request) -> AsyncGenerator[bytes]:
        """The lines of the answer; a refusal before the first is the answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._answer(self.lines(Request(scope, receive)), send)
        except ServiceError as refusal:
            await self._refuse(refusal, scope, receive, send)
