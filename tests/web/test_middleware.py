"""The outermost layer, over a real socket: limits, patience, and a name for every request."""

import asyncio
import json
from typing import Any

import httpx2
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.testing import CapturingLogger

from service.core.metrics import Metrics
from service.main import State
from service.web.body_limit import BodyLimitMiddleware
from service.web.middleware import ErrorMiddleware, RequestMiddleware, SecurityHeadersMiddleware
from tests.documents.predictions.live_server import (
    chunk,
    connect,
    exchange,
    read_answer,
    request_head,
    serving,
)

MEGABYTE = 1_048_576
KIND = "Content-Type: application/json"


@pytest.mark.parametrize("path", ["/v1/items", "/v1/predictions"])
async def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(
    state: State, reset_stores: None, path: str
) -> None:
    async with serving(state) as port:
        head = request_head(path, KIND, f"Content-Length: {100 * MEGABYTE}")
        answer = await exchange(port, head)
    assert (answer.status, answer.problem["code"]) == (413, "body_too_large")
    assert answer.headers["connection"] == "close"


async def test_a_body_that_turns_out_too_large_is_not_taken_in(
    state: State, reset_stores: None
) -> None:
    async with serving(state) as port:
        reader, writer = await connect(port)
        writer.write(request_head("/v1/items", KIND))
        piece, sent = chunk(b"x" * 65_536), 0
        answer = asyncio.create_task(read_answer(reader))
        try:
            while not answer.done() and sent < 100 * MEGABYTE:
                writer.write(piece)
                await writer.drain()
                sent += len(piece)
        except ConnectionError:
            pass  # it was closed on us while we were still sending
        found = await answer
        writer.close()
    assert (found.status, found.problem["code"]) == (413, "body_too_large")
    assert found.headers["connection"] == "close"
    assert sent < 20 * MEGABYTE  # what the sockets hold


@pytest.mark.parametrize(
    "begun", [b"", chunk(b'{"name": '), chunk(b'{"name": "x"}')], ids=["none", "half", "no end"]
)
@pytest.mark.parametrize("path", ["/v1/items", "/v1/predictions", "/v1/predictions/batch"])
async def test_a_body_that_does_not_come_is_not_waited_for(
    state: State, reset_stores: None, path: str, begun: bytes
) -> None:
    async with serving(state, body_seconds=0.05) as port:
        answer = await exchange(port, request_head(path, KIND) + begun)
    assert (answer.status, answer.problem["code"]) == (408, "body_too_slow")
    assert answer.headers["connection"] == "close"


async def test_a_stream_that_does_not_begin_is_not_waited_for(
    state: State, reset_stores: None
) -> None:
    head = request_head("/v1/predictions/stream", "Content-Type: application/x-ndjson")
    async with serving(state, body_seconds=0.05) as port:
        answer = await exchange(port, head + chunk(b"{"))
    assert (answer.status, answer.problem["code"]) == (408, "body_too_slow")


async def test_patience_begins_anew_with_each_piece(state: State, reset_stores: None) -> None:
    async with serving(state, body_seconds=1.5) as port:
        reader, writer = await connect(port)
        writer.write(request_head("/v1/items", KIND))
        for byte in b'{"name":"x"}':
            writer.write(chunk(bytes([byte])))
            await asyncio.sleep(0.15)  # 1.8 in all
        writer.write(chunk(b""))
        answer = await read_answer(reader)
        writer.close()
    assert answer.status == 201


async def test_who_goes_away_in_the_middle_harms_nobody(
    state: State, reset_stores: None, logged: CapturingLogger
) -> None:
    async with serving(state) as port:
        for _ in range(50):
            _, writer = await connect(port)
            writer.write(request_head("/v1/items", KIND) + chunk(b'{"name"'))
            await writer.drain()
            writer.transport.abort()
        found = await exchange(port, b"GET /v1/items?count=exact HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (found.status, json.loads(found.body)["total"]) == (200, 0)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /v1/items HTTP/1.1\r\n\r\n", 400),
        (b"GET /v1/items HTTP/1.1\r\nHost:\r\n\r\n", 400),
        (b"GET /v1/items HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20_000 + b"\r\n\r\n", 431),
        (b"GET /v1/items HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 10_000 + b"\r\n", 431),
    ],
    ids=["no host", "empty host", "a long header", "many headers"],
)
async def test_a_head_that_is_wrong_is_a_problem(
    state: State, reset_stores: None, sent: bytes, status: int
) -> None:
    async with serving(state) as port:
        answer = await exchange(port, sent)
    assert (answer.status, answer.problem["status"]) == (status, status)


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Length: 3", "Content-Length: 13"],
        ["Content-Length: x"],
        ["Content-Length: -1"],
        ["Content-Length: 13", "Transfer-Encoding: chunked"],
        ["X: a\x00b", "Content-Length: 13"],
    ],
    ids=["two lengths", "no number", "negative", "length and chunks", "NUL"],
)
async def test_a_head_that_two_could_read_differently_is_refused(
    state: State, reset_stores: None, headers: list[str]
) -> None:
    async with serving(state) as port:
        answer = await exchange(port, request_head("/v1/items", KIND, *headers) + b'{"name":"x"}\n')
    assert answer.status == 400


@pytest.mark.parametrize("offered", ["abc", "A-1_2.3", "x" * 64])
async def test_a_request_keeps_the_name_it_came_with(
    client: httpx2.AsyncClient, offered: str
) -> None:
    answer = await client.get("/v1/items", headers={"X-Request-Id": offered})
    assert answer.headers["x-request-id"] == offered


@pytest.mark.parametrize("offered", ["", "a b", "x" * 65, '"}', "ü", "a\tb"])
async def test_a_name_that_could_do_harm_is_replaced(
    client: httpx2.AsyncClient, offered: str
) -> None:
    header = {b"X-Request-Id": offered.encode()}
    answer = await client.get("/v1/items/x", headers=header)
    assert answer.headers["x-request-id"] not in ("", offered)
    assert len(answer.headers["x-request-id"]) == 36


async def _through(app: ASGIApp, **scope: Any) -> list[Any]:
    """Return the messages that an application sends through the middlewares."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    limited = BodyLimitMiddleware(app, max_body_bytes=9, chunk_seconds=1, limits={})
    layer = RequestMiddleware(
        SecurityHeadersMiddleware(ErrorMiddleware(limited)), metrics=Metrics()
    )
    request = {
        "type": "http",
        "method": "GET",
        "path": "/x",
        "raw_path": b"/x",
        "query_string": b"",
        "headers": [(b"host", b"x")],
    }
    await layer({**request, **scope}, receive, send)
    return sent


async def test_what_nobody_foresaw_is_told_in_our_shape_and_tells_nothing(
    logged: CapturingLogger,
) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("SELECT password FROM users")

    start, body = await _through(broken)
    assert [call.method_name for call in logged.calls] == ["exception", "info"]
    problem = json.loads(body["body"])
    assert (start["status"], problem["code"]) == (500, "internal_error")
    assert dict(start["headers"])[b"x-request-id"].decode() == problem["request_id"]
    assert b"password" not in body["body"]


async def test_an_answer_that_has_begun_is_not_answered_again(logged: CapturingLogger) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError

    sent = await _through(broken)
    assert [message["type"] for message in sent] == ["http.response.start"]


async def test_a_connection_survives_what_nobody_foresaw(
    state: State, reset_stores: None, logged: CapturingLogger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError

    async with serving(state) as port:
        reader, writer = await connect(port)
        get = b"GET /v1/item_types HTTP/1.1\r\nHost: x\r\n\r\n"
        with monkeypatch.context() as patched:
            patched.setattr("service.documents.items.item_types.ItemTypeRepository.list", broken)
            writer.write(get)
            assert (await read_answer(reader)).status == 500
        writer.write(get)
        assert (await read_answer(reader)).status == 200
        writer.close()


async def test_what_is_not_http_passes() -> None:
    seen = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    assert await _through(app, type="lifespan") == []
    assert seen == ["lifespan"]
