"""Streamed responses: complete, or cut visibly, and only while the client reads."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import Message
from typing_extensions import override

from service.core.errors import Unavailable
from service.web import streaming
from service.web.bodies.ndjson import LinesResponse
from service.web.streaming import SlowReaderMiddleware, StreamedResponse

HTTP = {"type": "http", "path": "/", "headers": []}


class Pieces(StreamedResponse):
    """Sends some chunks, then raises, ends or waits."""

    def __init__(self, count: int, *, then: Exception | None = None, ends: bool = True) -> None:
        super().__init__("text/plain")
        self.count, self.then, self.ends = count, then, ends
        self.made, self.closed, self.cancellations = 0, False, 0

    @override
    async def pieces(self) -> AsyncGenerator[bytes]:
        try:
            for place in range(self.count):
                self.made += 1
                yield str(place).encode()
            if self.then is not None:
                raise self.then
            while not self.ends:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    self.cancellations += 1
                    if self.cancellations > 1:  # as with wait_for of Python 3.11, the first is lost
                        raise
        finally:
            self.closed = True


class Connection:
    """The server's side: collects messages, and reports when the client disconnects."""

    def __init__(self, *, reads: bool = True) -> None:
        self.sent: list[Message] = []
        self.gone = asyncio.Event()
        self._reads = reads

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)
        if not self._reads and message["type"] == "http.response.body":
            await asyncio.Event().wait()

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def is_complete(self) -> bool:
        return bool(self.sent) and self.sent[-1].get("more_body") is None


async def test_stream_sends_all_chunks_and_an_end() -> None:
    connection = Connection()
    await Pieces(3)({}, connection.receive, connection.send)
    assert (connection.body, connection.is_complete) == (b"012", True)
    assert connection.sent[0]["status"] == 200


async def test_stream_without_chunks_is_an_empty_response() -> None:
    connection = Connection()
    await Pieces(0)({}, connection.receive, connection.send)
    assert [message["type"] for message in connection.sent] == [
        "http.response.start",
        "http.response.body",
    ]


async def test_stream_error_before_first_chunk_is_the_response() -> None:
    connection = Connection()
    scope = {"type": "http", "path": "/"}
    await Pieces(0, then=Unavailable())(scope, connection.receive, connection.send)
    assert (connection.sent[0]["status"], connection.is_complete) == (503, True)


async def test_stream_error_later_leaves_the_response_without_end() -> None:
    connection = Connection()
    response = Pieces(2, then=Unavailable())
    with pytest.raises(Unavailable):
        await response({}, connection.receive, connection.send)
    assert (connection.body, connection.is_complete, response.closed) == (b"01", False, True)


async def test_stream_ends_when_the_client_disconnects() -> None:
    connection, response = Connection(), Pieces(2, ends=False)
    responding = asyncio.create_task(response({}, connection.receive, connection.send))
    async with asyncio.timeout(30):
        while len(connection.sent) < 3:
            await asyncio.sleep(0)
        connection.gone.set()
        with pytest.raises(ClientDisconnect):
            await responding
    assert (response.closed, response.cancellations, connection.is_complete) == (True, 2, False)


async def test_stream_slow_reader_is_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streaming, "WRITE_SECONDS", 0.05)
    connection, response = Connection(reads=False), Pieces(100)
    with pytest.raises(ClientDisconnect):
        await SlowReaderMiddleware(response)(HTTP, connection.receive, connection.send)
    assert (response.made, response.closed) == (1, True)


class Lines(LinesResponse):
    """Sends lines without end."""

    made, closed = 0, False

    @override
    async def lines(self, request: Request) -> AsyncGenerator[bytes]:
        try:
            while True:
                self.made += 1
                yield b"{}"
        finally:
            self.closed = True


async def test_lines_slow_reader_is_cut_while_it_sends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise client and service would wait for each other to read."""
    monkeypatch.setattr(streaming, "WRITE_SECONDS", 0.05)
    connection, response = Connection(reads=False), Lines()
    with pytest.raises(ClientDisconnect):
        await SlowReaderMiddleware(response)(HTTP, connection.receive, connection.send)
    assert (response.made, response.closed) == (1, True)


async def test_stream_cancelled_cancels_its_tasks() -> None:
    connection, response = Connection(), Pieces(1, ends=False)
    responding = asyncio.create_task(response({}, connection.receive, connection.send))
    async with asyncio.timeout(30):
        while not connection.sent:
            await asyncio.sleep(0)
        responding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await responding
    assert response.closed
