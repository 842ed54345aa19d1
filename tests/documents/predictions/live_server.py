"""Serve the application on a real socket, for behaviour that ASGI transports do not show."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from service.auth.caller import Authenticator
from service.cli.connections import HttpProtocol
from service.cli.server import Server, ShutdownSignal
from service.main import State, create_app
from service.settings import Settings
from tests.fixtures.client import ADMINISTRATOR, FakeAuthenticator


class _Server(Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave Ctrl-C to pytest."""
        yield


class Answer(NamedTuple):
    """A response with a Content-Length, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> Any:
        assert self.headers["content-type"] == "application/problem+json"
        return json.loads(self.body)


_applications: dict[str, FastAPI] = {}


def _application(settings: Settings, **changed: Any) -> FastAPI:
    """Return the application with changed settings; those with the same settings share it."""
    changed_settings = settings.model_copy(update=changed)
    key = repr(changed_settings)
    if key not in _applications:
        _applications[key] = create_app(changed_settings)
    return _applications[key]


@contextlib.asynccontextmanager
async def serving(
    state: State, *, authenticator: Authenticator | None = None, **settings: Any
) -> AsyncIterator[int]:
    """Serve an application on the stores of this run, with changed settings; yield its port.

    Without an ``authenticator`` every caller is an administrator.
    """
    app = _application(state["settings"], **settings)
    changed = state["settings"].model_copy(update=settings)
    config = uvicorn.Config(
        _with_state(
            app,
            {
                **state,
                "authenticator": authenticator or FakeAuthenticator(ADMINISTRATOR),
                "settings": changed,
            },
        ),
        port=0,
        http=HttpProtocol,
        lifespan="off",
        log_config=None,
        timeout_keep_alive=changed.keep_alive_seconds,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config, ShutdownSignal(), 0)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


def _with_state(app: ASGIApp, state: dict[str, Any]) -> ASGIApp:
    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "state": dict(state)}, receive, send)

    return wrapped


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


async def exchange(port: int, sent: bytes) -> Answer:
    """Send raw bytes; return the response."""
    reader, writer = await connect(port)
    writer.write(sent)
    try:
        return await read_answer(reader)
    finally:
        writer.close()


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    async with asyncio.timeout(30):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(head[0].split()[1]), headers, body)


def request_head(path: str, *headers: str) -> bytes:
    """Return the head of a POST, chunked unless the headers have a Content-Length."""
    lines = [f"POST {path} HTTP/1.1", "Host: polystore", *headers]
    if not any(line.lower().startswith("content-length") for line in headers):
        lines.append("Transfer-Encoding: chunked")
    return "\r\n".join([*lines, "", ""]).encode()


def chunk(data: bytes) -> bytes:
    """Return one chunk of a body; an empty one ends it."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


async def read_head(reader: asyncio.StreamReader) -> int:
    """Read the head of a chunked response; return its status."""
    async with asyncio.timeout(30):
        return int((await reader.readuntil(b"\r\n\r\n")).split()[1])


async def read_chunk(reader: asyncio.StreamReader) -> bytes:
    """Return the next chunk of a response; it is empty at the end."""
    async with asyncio.timeout(30):
        size = int(await reader.readline(), 16)
        return (await reader.readexactly(size + 2))[:-2]
