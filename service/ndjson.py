"""Streams of lines: a request that is read line by line, and an answer that is written while it is.

NDJSON, one JSON value a line; what a sender was told is done stays done when its connection is cut.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

from fastapi import Request
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from service.errors import ServiceError, problem
from service.long_answer import SECONDS_TO_TAKE, hand_over

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
        "detail": refusal.said,
    }
    return json.dumps(told).encode() + b"\n"


class LinesAnswer(Response, ABC):
    """Answers while the request is still coming in, to who reads while they send."""

    media_type = NDJSON
    seconds_to_take = SECONDS_TO_TAKE

    def __init__(self) -> None:
        super().__init__()
        del self.headers["content-length"]

    @abstractmethod
    def lines(self, request: Request) -> AsyncGenerator[bytes]:
        """The lines of the answer; a refusal before the first is the answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        try:
            async with aclosing(self.lines(Request(scope, receive))) as lines:
                async for line in lines:
                    if head:  # only now: what fails before the first line has its own status
                        await send(head)
                        head = {}
                    await hand_over(send, line, self.seconds_to_take)
        except ServiceError as refusal:
            if not head:
                raise
            await problem(refusal, scope["path"])(scope, receive, send)
        if not head:
            await send({"type": "http.response.body", "body": b""})
