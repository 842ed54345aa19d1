"""Responses to HTTP/1.0 without a length: no chunks, and an end that cannot be mistaken."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from structlog.testing import CapturingLogger

from service.main import State
from service.relational.catalog.export_file import ProductExportResponse
from tests.documents.predictions.live_server import connect, serving


async def read_all(port: int, request: str) -> tuple[bytes, bytes]:
    """Send a request over HTTP/1.0; return the head, in lower case, and the body."""
    reader, writer = await connect(port)
    writer.write(f"{request} HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n".encode())
    try:
        async with asyncio.timeout(30):
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    return head.lower(), body


@pytest.mark.parametrize("pieces", [[b"a,b\r\n", b"1,2\r\n" * 40_000, b"3,4\r\n"], [b"a"], []])
async def test_response_without_length_ends_with_the_connection(
    state: State, reset_stores: None, monkeypatch: pytest.MonkeyPatch, pieces: list[bytes]
) -> None:
    async def sent_pieces(_response: object) -> AsyncGenerator[bytes]:
        for piece in pieces:
            yield piece

    monkeypatch.setattr(ProductExportResponse, "pieces", sent_pieces)
    async with serving(state) as port:
        head, body = await read_all(port, "GET /v1/products/export")
    assert head.startswith(b"http/1.1 200")
    assert b"\r\nconnection: close" in head
    assert b"transfer-encoding" not in head
    assert body == b"".join(pieces)


@pytest.mark.parametrize("error", [RuntimeError, asyncio.CancelledError])
async def test_response_that_is_cut_resets_the_connection(
    state: State,
    reset_stores: None,
    logged: CapturingLogger,
    monkeypatch: pytest.MonkeyPatch,
    error: type[BaseException],
) -> None:
    async def cut(_response: object) -> AsyncGenerator[bytes]:
        yield b"half"
        raise error

    monkeypatch.setattr(ProductExportResponse, "pieces", cut)
    async with serving(state) as port:
        with pytest.raises(ConnectionResetError):
            await read_all(port, "GET /v1/products/export")


async def test_response_with_length_keeps_it(state: State) -> None:
    async with serving(state) as port:
        head, body = await read_all(port, "GET /livez")
        assert b"\r\ncontent-length: %d\r\n" % len(body) in head
        head, body = await read_all(port, "HEAD /v1/products/export")
        assert (head[:12], body) == (b"http/1.1 200", b"")
