"""Long responses: written in pieces, and ended when the client has gone or does not read.

An error before the first piece is a response of its own; a later error cuts the connection, so that
no client takes a part for the whole. A last message is a piece itself.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from fastapi import Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from service.core.errors import ServiceError
from service.web.problems import problem

# A client that takes nothing for so long is no client any more.
SECONDS_TO_TAKE = 60.0
SECONDS_TO_HEED = 0.2


class LateAnswer(Response, ABC):
    """A response that begins with its first piece, so that an earlier error has its own status."""

    seconds_to_take = SECONDS_TO_TAKE

    def __init__(
        self, media_type: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(media_type=media_type, headers=headers)
        del self.headers["content-length"]
        self._begun = False

    async def _answer(self, pieces: AsyncGenerator[bytes], send: Send) -> None:
        async with aclosing(pieces):
            async for piece in pieces:
                await self._begin(send)
                await self._hand_over(send, piece)
        await self._begin(send)
        await send({"type": "http.response.body", "body": b""})

    async def _begin(self, send: Send) -> None:
        if not self._begun:
            self._begun = True
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})

    async def _hand_over(self, send: Send, piece: bytes) -> None:
        try:
            async with asyncio.timeout(self.seconds_to_take):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except TimeoutError:
            raise ClientDisconnect from None

    async def _refuse(
        self, refusal: ServiceError, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if self._begun:
            raise refusal
        await problem(refusal, scope["path"])(scope, receive, send)


class StreamedResponse(LateAnswer):
    """A response that holds one piece; the next is made when the connection accepts it."""

    @abstractmethod
    def pieces(self) -> AsyncGenerator[bytes]:
        """Yield the body; an error before the first piece is the response."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        writing = asyncio.create_task(self._answer(self.pieces(), send))
        listening = asyncio.create_task(_until_gone(receive))
        try:
            await asyncio.wait((writing, listening), return_when=asyncio.FIRST_COMPLETED)
        finally:
            listening.cancel()
            await _end(writing)
        if writing.cancelled():
            raise ClientDisconnect
        try:
            writing.result()
        except ServiceError as refusal:
            await self._refuse(refusal, scope, receive, send)


async def _end(task: asyncio.Task[None]) -> None:
    """Cancels it until it heeds: `asyncio.wait_for` of Python 3.11, on which PyMongo waits, loses a
    cancellation that meets the end of what it waits for (mended in 3.12)."""
    while not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=SECONDS_TO_HEED)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
