"""Large bodies are sent in pieces, few at a time, and to clients that read."""

import asyncio
from typing import Any

import pytest
from fastapi import Response
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from service.web import streaming
from service.web.streaming import LARGE_BYTES, PIECE_BYTES, LargeResponses, SlowReaderMiddleware
from tests.web.test_streaming import Connection, Pieces


def http_scope(responses: LargeResponses | None = None) -> dict[str, Any]:
    state = {"large_responses": responses or LargeResponses()}
    return {"type": "http", "path": "/", "method": "GET", "headers": [], "state": state}


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, PIECE_BYTES + 1, LARGE_BYTES + 7])
async def test_body_is_sent_whole_in_pieces(size: int) -> None:
    connection, body = Connection(), bytes(size)
    await SlowReaderMiddleware(Response(body))(http_scope(), connection.receive, connection.send)
    start, *pieces = connection.sent
    assert (start["status"], connection.body) == (200, body)
    assert max(len(piece["body"]) for piece in pieces) <= PIECE_BYTES
    assert [piece.get("more_body", False) for piece in pieces] == [True] * (len(pieces) - 1) + [
        False
    ]


async def test_others_run_between_the_pieces_of_a_body() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    connection, others = Connection(), asyncio.create_task(other())
    app = SlowReaderMiddleware(Response(bytes(9 * PIECE_BYTES)))
    await app(http_scope(), connection.receive, connection.send)
    others.cancel()
    assert turns >= 8


class Transport:
    """The transport of uvicorn's request."""

    def __init__(self) -> None:
        self.aborted = False

    def get_extra_info(self, _name: str) -> None:
        return None

    def abort(self) -> None:
        self.aborted = True


class UnreadConnection(Connection):
    """A connection whose client reads nothing."""

    def __init__(self) -> None:
        super().__init__(reads=False)
        self.transport = Transport()


@pytest.mark.parametrize("response", [Response(bytes(LARGE_BYTES + 1)), Pieces(3)])
async def test_client_that_reads_nothing_is_disconnected(
    response: Response, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "WRITE_SECONDS", 0.05)
    connection = UnreadConnection()
    with pytest.raises(ClientDisconnect):
        await SlowReaderMiddleware(response)(http_scope(), connection.receive, connection.send)
    assert connection.transport.aborted
    assert len(connection.body) <= PIECE_BYTES


async def test_large_bodies_beyond_the_slots_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "SLOTS", 2)
    monkeypatch.setattr(streaming, "SLOT_SECONDS", 0.05)
    responses, app = LargeResponses(), SlowReaderMiddleware(Response(bytes(LARGE_BYTES + 1)))
    unread = [UnreadConnection() for _ in range(2)]
    waiting = [
        asyncio.create_task(app(http_scope(responses), reader.receive, reader.send))
        for reader in unread
    ]
    async with asyncio.timeout(30):
        while not all(reader.body for reader in unread):
            await asyncio.sleep(0)
    refused, small = Connection(), Connection()
    await app(http_scope(responses), refused.receive, refused.send)
    assert (refused.sent[0]["status"], b"retry-after" in dict(refused.sent[0]["headers"])) == (
        503,
        True,
    )
    await SlowReaderMiddleware(Response(b"x"))(http_scope(responses), small.receive, small.send)
    assert small.sent[0]["status"] == 200
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    later = Connection()
    await app(http_scope(responses), later.receive, later.send)
    assert later.sent[0]["status"] == 200


async def test_other_messages_pass_unchanged() -> None:
    async def lifespan(scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": f"{scope['type']}.startup.complete"})

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await SlowReaderMiddleware(lifespan)({"type": "lifespan"}, Connection().receive, send)
    assert sent == [{"type": "lifespan.startup.complete"}]
