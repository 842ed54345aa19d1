"""Raw connections: heads that never end, silence, too many at once, and what is not HTTP/1.1."""

import asyncio
import resource
from unittest.mock import Mock

import pytest
from structlog.testing import capture_logs

from service.cli import connections, server
from service.main import State
from service.settings import Settings
from tests.documents.predictions.live_server import (
    chunk,
    connect,
    exchange,
    read_answer,
    read_head,
    request_head,
    serving,
)

GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
HALF_BODY = request_head("/v1/items/search", "Content-Type: application/json") + chunk(b"{")


@pytest.fixture
def short_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)
    monkeypatch.setattr(server, "TICKS_PER_SECOND", 1)


@pytest.fixture
def three_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 3)


@pytest.mark.parametrize("before", [b"", GET], ids=["first", "kept alive"])
async def test_head_that_never_ends_is_408(state: State, short_heads: None, before: bytes) -> None:
    async with serving(state) as port:
        reader, writer = await connect(port)
        if before:
            writer.write(before)
            assert (await read_answer(reader)).status == 200
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\nA")
        answer = await read_answer(reader)
        assert (answer.status, answer.problem["code"]) == (408, "head_too_slow")
        assert answer.headers["connection"] == "close"
        assert answer.headers["x-request-id"] == answer.problem["request_id"]
        assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize("sent", [b"", b"\r\n\r\n"], ids=["silent", "empty lines"])
async def test_connection_without_request_is_closed(
    state: State, short_heads: None, sent: bytes
) -> None:
    async with serving(state) as port:
        reader, writer = await connect(port)
        writer.write(sent)
        async with asyncio.timeout(30):
            assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize("sent", [b"", b"\r\n\r\n"], ids=["silent", "empty lines"])
async def test_kept_alive_connection_is_closed_after_its_time(
    state: State, short_heads: None, sent: bytes
) -> None:
    """It outlives one that never sent a request."""
    async with serving(state, keep_alive_seconds=1) as port:
        reader, writer = await connect(port)
        writer.write(GET)
        assert (await read_answer(reader)).status == 200
        writer.write(sent)
        other_reader, other_writer = await connect(port)
        async with asyncio.timeout(30):
            assert await other_reader.read() == b""
        other_writer.close()
        writer.write(GET)
        assert (await read_answer(reader)).status == 200
        writer.write(sent)
        async with asyncio.timeout(30):
            assert await reader.read() == b""
        writer.close()


def test_keep_alive_is_that_of_the_settings(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "create_app", lambda _settings: None)
    monkeypatch.setattr(server, "gc", Mock())
    monkeypatch.setattr("sys.setswitchinterval", lambda _seconds: None)
    assert settings.keep_alive_seconds > 60, "a balancer would use connections that are closed"
    changed = settings.model_copy(update={"keep_alive_seconds": 7})
    assert server.configure(changed).timeout_keep_alive == 7


async def test_body_may_take_longer_than_a_head(state: State, short_heads: None) -> None:
    async with serving(state) as port:
        other_reader, other_writer = await connect(port)
        reader, writer = await connect(port)
        writer.write(HALF_BODY)
        async with asyncio.timeout(30):
            assert await other_reader.read() == b""  # the limit has passed
        other_writer.close()
        writer.write(chunk(b"}") + chunk(b""))
        assert (await read_answer(reader)).status == 422
        writer.close()


async def test_head_without_end_is_431_before_it_is_stored(state: State) -> None:
    async with serving(state) as port:
        answer = await exchange(port, GET[:-2] + b"A: " + b"a" * 2_000_000)
    assert (answer.status, answer.problem["code"]) == (431, "headers_too_large")


async def test_silent_connections_leave_room_for_others(
    state: State, three_connections: None
) -> None:
    async with serving(state) as port:
        silent = [await connect(port) for _ in range(20)]
        assert (await exchange(port, GET)).status == 200
        async with asyncio.timeout(30):
            for reader, _ in silent[:17]:  # the oldest
                assert await reader.read() == b""
        assert not silent[-1][0].at_eof()
        for _, writer in silent:
            writer.close()


async def test_kept_alive_connection_outlives_older_silence(
    state: State, three_connections: None
) -> None:
    async with serving(state) as port:
        reader, writer = await connect(port)
        silent = [(await connect(port))[1] for _ in range(2)]
        writer.write(GET)
        assert (await read_answer(reader)).status == 200
        silent.append((await connect(port))[1])  # closes the first silent one
        writer.write(GET)
        assert (await read_answer(reader)).status == 200
        for opened in (writer, *silent):
            opened.close()


async def test_half_bodies_leave_room_for_others(state: State, three_connections: None) -> None:
    async with serving(state) as port:
        halves = [await connect(port) for _ in range(3)]
        for _, writer in halves:
            writer.write(HALF_BODY)
        assert (await exchange(port, GET)).status == 200
        for _, writer in halves:
            writer.close()


async def test_connection_beside_running_requests_is_503(
    state: State, three_connections: None, reset_stores: None
) -> None:
    async with serving(state) as port:
        tails = [await connect(port) for _ in range(3)]
        for reader, writer in tails:
            writer.write(b"GET /v1/predictions/tail HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await read_head(reader) == 200
        answer = await exchange(port, GET)
        assert (answer.status, answer.problem["code"]) == (503, "too_many_connections")
        assert (answer.headers["retry-after"], answer.headers["connection"]) == ("1", "close")
        tails[0][1].close()
        async with asyncio.timeout(30):
            while (await exchange(port, GET)).status != 200:
                await asyncio.sleep(0.01)
        for _, writer in tails:
            writer.close()


@pytest.mark.parametrize(
    ("descriptors", "limit"), [(resource.RLIM_INFINITY, 1000), (20_000, 1000), (1024, 512)]
)
def test_connection_limit_leaves_file_descriptors(
    monkeypatch: pytest.MonkeyPatch, descriptors: int, limit: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (descriptors, descriptors))
    assert connections.connection_limit() == limit


POST = b"POST /v1/items/search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"GET\r\n\r\n", id="request line"),
        pytest.param(GET[:-2] + b"A B\x01: 1\r\n\r\n", id="header name"),
        pytest.param(GET[:-2] + b"A: 1\x00\r\n\r\n", id="header value"),
        pytest.param(CHUNKED + b"Content-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n", id="two framings"),
        pytest.param(POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ", id="two lengths"),
        pytest.param(CHUNKED + b"\r\n" + b"F" * 20 + b"\r\n{}", id="chunk size"),
        pytest.param(CHUNKED + b"\r\n2\r\n{}no" + b"x" * 3_000_000, id="chunk end"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), id="TLS"),
        pytest.param(b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", id="CONNECT"),
        pytest.param(GET.replace(b"livez", b"\xc3\xa9"), id="address"),
    ],
)
async def test_malformed_request_is_a_problem_in_one_log_line(
    state: State, capfd: pytest.CaptureFixture[str], sent: bytes
) -> None:
    async with serving(state) as port:
        with capture_logs() as lines:
            answer = await exchange(port, sent)
    assert (answer.status, answer.problem["code"]) == (400, "malformed_request")
    assert answer.headers["connection"] == "close"
    assert answer.headers["x-content-type-options"] == "nosniff"
    refused = [line for line in lines if line["event"] == "refused"]
    assert [line["code"] for line in refused] == ["malformed_request"]
    assert "Invalid HTTP" not in capfd.readouterr().err


async def test_malformed_request_leaves_the_responses_before_it(state: State) -> None:
    async with serving(state) as port:
        reader, writer = await connect(port)
        writer.write(GET + GET + b"\x00\x00 no HTTP\r\n\r\n")
        first, second = await read_answer(reader), await read_answer(reader)
        assert (first.status, second.status) == (200, 200)
        assert second.headers["connection"] == "close"
        assert await reader.read() == b""
        writer.close()


async def test_trailer_is_no_header(state: State) -> None:
    """A proxy checks and replaces headers, but not what stands behind a chunked body."""
    async with serving(state) as port:
        trailer = b"\r\n2\r\n{}\r\n0\r\nX-Request-Id: trailer\r\n\r\n"
        answer = await exchange(port, CHUNKED + trailer)
    assert answer.status == 422
    assert answer.headers["x-request-id"] != "trailer"


@pytest.mark.parametrize("protocol", ["h2c", "websocket"])
async def test_upgrade_is_answered_in_http_1_and_closed(state: State, protocol: str) -> None:
    upgrade = f"Connection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n".encode()
    async with serving(state) as port:
        answer = await exchange(port, GET[:-2] + upgrade + GET)
    assert (answer.status, answer.headers["connection"]) == (200, "close")
