"""Time limits of bodies, and clients that disconnect."""

import asyncio
import gzip
import time

import httpx2
import pytest
from structlog.testing import CapturingLogger

from service.main import State
from service.web.middleware import body_limit
from tests.documents.predictions.factories import as_lines, make_events
from tests.documents.predictions.live_server import (
    chunk,
    connect,
    exchange,
    read_chunk,
    read_head,
    request_head,
    serving,
)
from tests.fixtures.cpu_time import cpu_wait_seconds


async def test_stream_that_stops_ends_with_body_too_slow(state: State, reset_stores: None) -> None:
    head = request_head("/v1/predictions/stream", "Content-Type: application/x-ndjson")
    async with serving(state, body_seconds=1.0) as port:
        reader, writer = await connect(port)
        writer.write(head + chunk(as_lines(make_events(501))))
        assert await read_head(reader) == 200
        await read_chunk(reader)
        assert b'"body_too_slow"' in await read_chunk(reader)
        writer.close()


async def test_client_that_disconnects_is_not_logged_as_error(
    state: State, reset_stores: None, logged: CapturingLogger
) -> None:
    async with serving(state) as port:
        _, writer = await connect(port)
        writer.write(
            request_head("/v1/items", "Content-Type: application/json") + chunk(b'{"name"')
        )
        await writer.drain()
        writer.close()
        async with asyncio.timeout(30):
            while not logged.calls:
                await asyncio.sleep(0.01)
    assert "exception" not in [call.method_name for call in logged.calls]


@pytest.mark.parametrize("path", ["/v1/predictions", "/v1/predictions/batch"])
async def test_slow_bodies_take_no_connection_from_others(
    client: httpx2.AsyncClient, state: State, path: str
) -> None:
    head = request_head(path, "Content-Type: application/json")
    async with serving(state, mongo_max_pool_size=2, body_seconds=30.0) as port:
        writers = [(await connect(port))[1] for _ in range(10)]
        for writer in writers:
            writer.write(head + chunk(b"{"))
            await writer.drain()
        assert (await client.get("/v1/items")).status_code == 200
        whole = b"GET /v1/items HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        assert (await exchange(port, whole)).status == 200
        for writer in writers:
            writer.close()


async def test_stream_of_blank_lines_lets_others_run(
    client: httpx2.AsyncClient, state: State
) -> None:
    bomb = gzip.compress(b"\n" * 2_500_000)
    headers = ("Content-Type: application/x-ndjson", "Content-Encoding: gzip", "Connection: close")
    head = request_head("/v1/predictions/stream", *headers)
    async with serving(state) as port:
        sending = asyncio.create_task(exchange(port, head + chunk(bomb) + b"0\r\n\r\n"))
        longest_wait = 0.0
        while not sending.done():
            began = time.perf_counter() - cpu_wait_seconds()
            await asyncio.sleep(0.01)
            assert (await client.get("/livez")).status_code == 200
            longest_wait = max(longest_wait, time.perf_counter() - cpu_wait_seconds() - began)
        assert (await sending).status == 200
    assert longest_wait < 0.5


@pytest.mark.parametrize("path", ["/v1/predictions/batch", "/v1/items"])
async def test_body_of_single_bytes_is_408_after_the_whole_limit(
    state: State, reset_stores: None, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Each byte comes in time."""
    monkeypatch.setattr(body_limit, "WHOLE_BODY_SECONDS", 0.3)
    head = request_head(path, "Content-Type: application/json")
    async with serving(state) as port:
        reader, writer = await connect(port)
        writer.write(head)

        async def drip() -> None:
            while True:
                writer.write(chunk(b" "))
                await asyncio.sleep(0.02)

        dripping = asyncio.ensure_future(drip())
        async with asyncio.timeout(30):
            assert await read_head(reader) == 408
        dripping.cancel()
        writer.close()
    assert state["intake_limiter"].bytes == 0
