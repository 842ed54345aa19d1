"""Long responses: written in pieces, and ended when the client disconnects or does not read.

An error before the first piece is a response of its own. A later error cuts the connection, because
otherwise a client could mistake a part for the whole. A last message is a piece itself.
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

WRITE_SECONDS = 60.0  # after which a client that reads nothing is disconnected
CANCEL_SECONDS = 0.2


class DeferredResponse(Response, ABC):
    """A response that begins with its first piece, so that an earlier error has its own status."""

    write_seconds = WRITE_SECONDS

    def __init__(
        self, media_type: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(media_type=media_type, headers=headers)
        del self.headers["content-length"]
        self._started = False

    async def _respond(self, pieces: AsyncGenerator[bytes], send: Send) -> None:
        async with aclosing(pieces):
            async for piece in pieces:
                await self._start(send)
                await self._write(send, piece)
        await self._start(send)
        await send({"type": "http.response.body", "body": b""})

    async def _start(self, send: Send) -> None:
        if not self._started:
            self._started = True
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})

    async def _write(self, send: Send, piece: bytes) -> None:
        try:
            async with asyncio.timeout(self.write_seconds):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except TimeoutError:
            raise ClientDisconnect from None

    async def _send_error(
        self, error: ServiceError, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if self._started:
            raise error
        await problem(error, scope["path"])(scope, receive, send)


class StreamedResponse(DeferredResponse):
    """A response that holds one piece; the next is made when the connection accepts it."""

    @abstractmethod
    def pieces(self) -> AsyncGenerator[bytes]:
        """Yield the body; an error before the first piece is the response."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        writing = asyncio.create_task(self._respond(self.pieces(), send))
        listening = asyncio.create_task(_until_disconnect(receive))
        try:
            await asyncio.wait((writing, listening), return_when=asyncio.FIRST_COMPLETED)
        finally:
            listening.cancel()
            await _end(writing)
        if writing.cancelled():
            raise ClientDisconnect
        try:
            writing.result()
        except ServiceError as error:
            await self._send_error(error, scope, receive, send)


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel a task until it ends.

    ``asyncio.wait_for`` of Python 3.11, which PyMongo uses, loses a cancellation that arrives at
    the end of its wait (fixed in 3.12).
    """
    while not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=CANCEL_SECONDS)


async def _until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
