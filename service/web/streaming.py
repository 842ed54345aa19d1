"""Long responses: made and sent in pieces, and ended when the client disconnects or does not read.

An error before the first piece is a response of its own. A later error cuts the connection, because
otherwise a client could mistake a part for the whole. A last message is a piece itself.

A body that is sent at once lies in the server's buffer until the client has read it. Therefore
:class:`SlowReaderMiddleware` sends it in pieces, each within a time limit, and few large ones at a
time.
"""

import asyncio
import socket
import struct
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import (
    AsyncExitStack,
    aclosing,
    asynccontextmanager,
)

from fastapi import Response
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.core.errors import ServiceError, Unavailable
from service.web.middleware.head_requests import HEAD_ONLY
from service.web.problems import problem

PIECE_BYTES = 65_536  # the server's buffer holds as much, and one piece more
WRITE_SECONDS = 15.0  # after which a client that takes no piece is disconnected
LARGE_BYTES = 262_144  # of a body; from here on it needs a slot
REST, LONGEST_REST_SECONDS = 4, 0.5  # times the CPU time of a turn
SLOTS, SLOT_SECONDS = 16, 1.0  # each holds one response, of a large page one batch of its items
CANCEL_SECONDS = 0.2


class DeferredResponse(Response, ABC):
    """A response that begins with its first piece, so that an earlier error has its own status."""

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
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await self._start(send)
        await send({"type": "http.response.body", "body": b""})

    async def _start(self, send: Send) -> None:
        if not self._started:
            self._started = True
            start = {"type": "http.response.start", "status": self.status_code}
            await send({**start, "headers": self.raw_headers})

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
        pieces = _no_pieces() if scope.get(HEAD_ONLY) else self.pieces()
        writing = asyncio.create_task(self._respond(pieces, send))
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


async def _no_pieces() -> AsyncGenerator[bytes]:
    """Yield an empty piece, so that the headers are those of a response in pieces."""
    yield b""


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


class TooManyLargeResponses(Unavailable):
    store_fails = False
    code, title = "busy", "Too many large responses are being sent"
    detail = "Repeat the request later, or request fewer items."


class LargeResponses:
    """The slots of large responses, and the turns in which their parts are made.

    A request waits a second for a slot, and then gets a 503: a queue without a limit would hold
    the memory that the slots save.
    """

    def __init__(self) -> None:
        self._slots, self._turn = asyncio.Semaphore(SLOTS), asyncio.Lock()
        self._next_turn_at = 0.0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a slot.

        Raises:
            TooManyLargeResponses: none becomes free in time.
        """
        try:
            async with asyncio.timeout(SLOT_SECONDS):
                await self._slots.acquire()
        except TimeoutError:
            raise TooManyLargeResponses from None
        try:
            yield
        finally:
            self._slots.release()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Read and make the next part of a response; one does at a time.

        After each turn the next waits in proportion to the CPU time that all tasks took meanwhile.
        So large pages are slower while others need the event loop.
        """
        async with self._turn:
            await asyncio.sleep(self._next_turn_at - time.monotonic())
            began = time.thread_time()
            try:
                yield
            finally:
                pause = min(REST * (time.thread_time() - began), LONGEST_REST_SECONDS)
                self._next_turn_at = time.monotonic() + pause


class SlowReaderMiddleware:
    """Sends large bodies in pieces, and ends the connections of clients that do not read them."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start: Message | None = None

        async def send_in_pieces(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message  # held back, because a large body may be refused
                return
            begin, start = start, None
            body, more = message.get("body", b""), message.get("more_body", False)
            if begin is None or more or len(body) > PIECE_BYTES:
                await _send_large(begin, body, more, scope, receive, send)
                return
            await send(begin)
            await send(message)

        await self.app(scope, receive, send_in_pieces)


async def _send_large(
    begin: Message | None, body: bytes, more: bool, scope: Scope, receive: Receive, send: Send
) -> None:
    """Send a body, or a part of a streamed one; a whole large body takes a slot."""
    async with AsyncExitStack() as slot:
        if begin is not None:
            if len(body) > LARGE_BYTES and not more:
                responses: LargeResponses = scope["state"]["large_responses"]
                try:
                    await slot.enter_async_context(responses.slot())
                except TooManyLargeResponses as error:
                    await problem(error, scope["path"])(scope, receive, send)
                    return
            await send(begin)
        await _send_body(body, receive, send, more=more)


async def _send_body(body: bytes, receive: Receive, send: Send, *, more: bool = False) -> None:
    """Send a body in pieces; ``more`` of it follows in other messages.

    Raises:
        ClientDisconnect: the client read nothing for too long.
    """
    view = memoryview(body)
    for end in range(PIECE_BYTES, max(len(body), 1) + PIECE_BYTES, PIECE_BYTES):
        message = {
            "type": "http.response.body",
            "body": bytes(view[end - PIECE_BYTES : end]),
            "more_body": more or end < len(body),
        }
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await send(message)
        except TimeoutError:
            abort_connection(receive)
            raise ClientDisconnect from None
        if end < len(body):
            await asyncio.sleep(0)  # others run between pieces, each of which may be compressed


def abort_connection(receive: object) -> None:
    """Reset the connection without sending what the server and the kernel have buffered.

    The server would only close it after the client has read that. ASGI has no message for it, so
    this takes the transport of uvicorn's request, whose method ``receive`` is.
    """
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    if transport is not None:
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
