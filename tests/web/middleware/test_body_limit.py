"""Limits of address, headers and body, over a real socket."""

import asyncio
import json

import httpx2
import pytest
from structlog.testing import CapturingLogger

from service.main import State
from service.web.middleware import body_limit
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
FORM = "Content-Type: application/x-www-form-urlencoded"


@pytest.mark.parametrize("path", ["/v1/items", "/v1/predictions"])
async def test_body_declared_too_large_is_413_before_it_is_sent(
    state: State, reset_stores: None, path: str
) -> None:
    async with serving(state) as port:
        head = request_head(path, KIND, f"Content-Length: {100 * MEGABYTE}")
        response = await exchange(port, head)
    assert (response.status, response.problem["code"]) == (413, "body_too_large")
    assert response.headers["connection"] == "close"


@pytest.mark.parametrize("coding", ["zstd", "br", "gzip"])
async def test_problem_is_sent_before_the_rest_of_the_body_is_discarded(
    state: State, reset_stores: None, monkeypatch: pytest.MonkeyPatch, coding: str
) -> None:
    monkeypatch.setattr(body_limit, "LINGER_SECONDS", 300.0)
    length = f"Content-Length: {100 * MEGABYTE}"
    async with serving(state) as port:
        head = request_head("/v1/items", KIND, length, f"Accept-Encoding: {coding}")
        response = await exchange(port, head)
    assert (response.status, response.problem["code"]) == (413, "body_too_large")
    assert int(response.headers["content-length"]) == len(response.body)


@pytest.mark.parametrize(("path", "kind"), [("/v1/items", KIND), ("/v1/auth/token", FORM)])
async def test_body_chunks_too_large_are_413_and_not_read(
    state: State, reset_stores: None, path: str, kind: str
) -> None:
    async with serving(state) as port:
        reader, writer = await connect(port)
        writer.write(request_head(path, kind))
        data, sent = chunk(b"x" * 65_536), 0
        reading = asyncio.create_task(read_answer(reader))
        try:
            while not reading.done() and sent < 100 * MEGABYTE:
                writer.write(data)
                await writer.drain()
                sent += len(data)
        except ConnectionError:
            pass  # the service closed the connection while the test was sending
        response = await reading
        writer.close()
    assert (response.status, response.problem["code"]) == (413, "body_too_large")
    assert response.headers["connection"] == "close"
    assert sent < 20 * MEGABYTE  # what the sockets hold


@pytest.mark.parametrize(
    "begun", [b"", chunk(b'{"name": '), chunk(b'{"name": "x"}')], ids=["none", "half", "no end"]
)
@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/items", KIND),
        ("/v1/predictions", KIND),
        ("/v1/predictions/batch", KIND),
        ("/v1/auth/token", FORM),
    ],
)
async def test_body_that_stops_is_408(
    state: State, reset_stores: None, path: str, kind: str, begun: bytes
) -> None:
    async with serving(state, body_seconds=0.05) as port:
        response = await exchange(port, request_head(path, kind) + begun)
    assert (response.status, response.problem["code"]) == (408, "body_too_slow")
    assert response.headers["connection"] == "close"


async def test_stream_that_does_not_begin_is_408(state: State, reset_stores: None) -> None:
    head = request_head("/v1/predictions/stream", "Content-Type: application/x-ndjson")
    async with serving(state, body_seconds=0.05) as port:
        response = await exchange(port, head + chunk(b"{"))
    assert (response.status, response.problem["code"]) == (408, "body_too_slow")


async def test_body_time_limit_restarts_with_each_chunk(state: State, reset_stores: None) -> None:
    async with serving(state, body_seconds=1.5) as port:
        reader, writer = await connect(port)
        writer.write(request_head("/v1/items", KIND))
        for byte in b'{"name":"x"}':
            writer.write(chunk(bytes([byte])))
            await asyncio.sleep(0.15)  # 1.8 in all
        writer.write(chunk(b""))
        response = await read_answer(reader)
        writer.close()
    assert response.status == 201


async def test_clients_that_disconnect_leave_the_service_usable(
    state: State, reset_stores: None, logged: CapturingLogger
) -> None:
    async with serving(state) as port:
        for _ in range(50):
            _, writer = await connect(port)
            writer.write(request_head("/v1/items", KIND) + chunk(b'{"name"'))
            await writer.drain()
            writer.transport.abort()
        response = await exchange(port, b"GET /v1/items?count=exact HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (response.status, json.loads(response.body)["total"]) == (200, 0)


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
async def test_head_invalid_is_a_problem(
    state: State, reset_stores: None, sent: bytes, status: int
) -> None:
    async with serving(state) as port:
        response = await exchange(port, sent)
    assert (response.status, response.problem["status"]) == (status, status)


@pytest.mark.parametrize("name", ["Host", "Authorization", "Content-Type", "Idempotency-Key"])
@pytest.mark.parametrize("values", ["aa", "ab"], ids=["same", "different"])
async def test_head_with_a_single_header_twice_is_400(
    state: State, reset_stores: None, name: str, values: str
) -> None:
    head = request_head("/v1/items", *(f"{name.lower()}: {value}" for value in values))
    async with serving(state) as port:
        response = await exchange(port, head + chunk(b""))
    assert (response.status, response.problem["code"]) == (400, "duplicate_header")
    assert name.lower() in response.problem["detail"]


async def test_head_with_a_list_header_twice_is_read(state: State, reset_stores: None) -> None:
    sent = b"GET / HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nAccept: */*;q=0.1\r\n\r\n"
    swapped = b"GET / HTTP/1.1\r\nHost: x\r\nAccept: */*;q=0.1\r\nAccept: text/html\r\n\r\n"
    async with serving(state) as port:
        kinds = [(await exchange(port, text)).headers["content-type"] for text in (sent, swapped)]
    assert kinds == ["text/html; charset=utf-8"] * 2


async def test_head_of_http_1_0_needs_no_host(state: State, reset_stores: None) -> None:
    async with serving(state) as port:
        assert (await exchange(port, b"GET /v1/items HTTP/1.0\r\n\r\n")).status == 200


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
async def test_head_ambiguous_is_400(state: State, reset_stores: None, headers: list[str]) -> None:
    async with serving(state) as port:
        response = await exchange(
            port, request_head("/v1/items", KIND, *headers) + b'{"name":"x"}\n'
        )
    assert response.status == 400


async def test_address_too_long_is_414(client: httpx2.AsyncClient) -> None:
    response = await client.get("/v1/items?name=" + "x" * 9000)
    assert (response.status_code, response.json()["code"]) == (414, "address_too_long")
