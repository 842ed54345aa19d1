"""Answers that go on for long: whole, or cut so that it shows, and never for nobody."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import Message
from typing_extensions import override

from service.core.errors import Unavailable
from service.web.ndjson import LinesAnswer
from service.web.streaming import StreamedResponse


class Pieces(StreamedResponse):
    """Some pieces, then what a test wants."""

    def __init__(self, count: int, *, then: Exception | None = None, ends: bool = True) -> None:
        super().__init__("text/plain")
        self.count, self.then, self.ends = count, then, ends
        self.made, self.closed, self.refused = 0, False, 0

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
                    self.refused += 1
                    if self.refused > 1:  # as with wait_for of Python 3.11, the first is lost
                        raise
        finally:
            self.closed = True


class Connection:
    """The server's end: takes what is sent, and says when the client has gone."""

    def __init__(self, *, takes: bool = True) -> None:
        self.sent: list[Message] = []
        self.gone = asyncio.Event()
        self._takes = takes

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)
        if not self._takes and message["type"] == "http.response.body":
            await asyncio.Event().wait()

    @property
    def body(self) -> bytes:
        return b"".join(each.get("body", b"") for each in self.sent)

    @property
    def whole(self) -> bool:
        return bool(self.sent) and self.sent[-1].get("more_body") is None


async def test_all_pieces_and_an_end() -> None:
    connection = Connection()
    await Pieces(3)({}, connection.receive, connection.send)
    assert (connection.body, connection.whole) == (b"012", True)
    assert connection.sent[0]["status"] == 200


async def test_no_piece_is_an_empty_answer() -> None:
    connection = Connection()
    await Pieces(0)({}, connection.receive, connection.send)
    assert [each["type"] for each in connection.sent] == [
        "http.response.start",
        "http.response.body",
    ]


async def test_a_refusal_before_the_first_piece_is_the_answer() -> None:
    connection = Connection()
    scope = {"type": "http", "path": "/"}
    await Pieces(0, then=Unavailable())(scope, connection.receive, connection.send)
    assert (connection.sent[0]["status"], connection.whole) == (503, True)


async def test_a_failure_later_leaves_the_answer_without_its_end() -> None:
    connection = Connection()
    answer = Pieces(2, then=Unavailable())
    with pytest.raises(Unavailable):
        await answer({}, connection.receive, connection.send)
    assert (connection.body, connection.whole, answer.closed) == (b"01", False, True)


async def test_it_ends_when_the_client_goes_also_if_a_cancellation_is_lost() -> None:
    connection, answer = Connection(), Pieces(2, ends=False)
    answering = asyncio.create_task(answer({}, connection.receive, connection.send))
    async with asyncio.timeout(30):
        while len(connection.sent) < 3:
            await asyncio.sleep(0)
        connection.gone.set()
        with pytest.raises(ClientDisconnect):
            await answering
    assert (answer.closed, answer.refused, connection.whole) == (True, 2, False)


async def test_one_piece_is_made_at_a_time_and_who_takes_none_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(StreamedResponse, "seconds_to_take", 0.05)
    connection, answer = Connection(takes=False), Pieces(100)
    with pytest.raises(ClientDisconnect):
        await answer({}, connection.receive, connection.send)
    assert (answer.made, answer.closed) == (1, True)


class Lines(LinesAnswer):
    """One line after the other, until nobody wants more."""

    made, closed = 0, False

    @override
    async def lines(self, request: Request) -> AsyncGenerator[bytes]:
        try:
            while True:
                self.made += 1
                yield b"{}"
        finally:
            self.closed = True


async def test_who_takes_no_line_while_they_send_is_left_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They would wait for us to read on, and we for them."""
    monkeypatch.setattr(LinesAnswer, "seconds_to_take", 0.05)
    connection, answer = Connection(takes=False), Lines()
    with pytest.raises(ClientDisconnect):
        await answer({"type": "http", "path": "/"}, connection.receive, connection.send)
    assert (answer.made, answer.closed) == (1, True)


async def test_who_is_told_to_stop_stops_what_it_began() -> None:
    connection, answer = Connection(), Pieces(1, ends=False)
    answering = asyncio.create_task(answer({}, connection.receive, connection.send))
    async with asyncio.timeout(30):
        while not connection.sent:
            await asyncio.sleep(0)
        answering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await answering
    assert answer.closed
