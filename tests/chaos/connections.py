"""HTTP/1.1 over kept-alive connections, with little of the processor.

A hundred requests at once through a client library hold its event loop up for a second on two
shared processors (measured), which looks like a slow service.
"""

import asyncio
import time
from typing import NamedTuple
from urllib.parse import urlsplit

# The service closes idle connections after five seconds; younger ones are open still.
IDLE_SECONDS, TIMEOUT_SECONDS = 3.0, 40.0
BROKEN = (OSError, asyncio.IncompleteReadError, TimeoutError)


class Response(NamedTuple):
    """A complete response; the names of ``headers`` are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class _Connection(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    used: float


class Connections:
    """Open connections by address; as many as there are requests at once."""

    def __init__(self) -> None:
        self._idle: dict[str, list[_Connection]] = {}

    async def request(
        self, url: str, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> Response:
        """Send one request; raise one of ``BROKEN`` if no complete response comes."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            connection = self._take(url) or await _open(url)
            try:
                connection.writer.write(_encode(method, path, headers, body))
                response = await _read(connection.reader)
            except BaseException:
                connection.writer.transport.abort()
                raise
        if response.headers.get("connection") == "close":
            connection.writer.close()
        else:
            kept = connection._replace(used=time.monotonic())
            self._idle.setdefault(url, []).append(kept)
        return response

    def close(self) -> None:
        for connections in self._idle.values():
            for connection in connections:
                connection.writer.close()

    def _take(self, url: str) -> _Connection | None:
        """Return the connection that was used last, if it is open still."""
        idle = self._idle.get(url, [])
        while idle:
            connection = idle.pop()
            is_young = time.monotonic() - connection.used < IDLE_SECONDS
            if is_young and not connection.reader.at_eof():
                return connection
            connection.writer.close()
        return None


async def _open(url: str) -> _Connection:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=1 << 20)
    return _Connection(reader, writer, time.monotonic())


def _encode(method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: polystore"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if method != "GET":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


async def _read(reader: asyncio.StreamReader) -> Response:
    status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.split(": ", 1) for line in lines if line)
    headers = {name.lower(): value for name, value in pairs}
    if "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    elif headers.get("transfer-encoding") == "chunked":
        body = await _read_chunks(reader)
    else:
        body = b""
    return Response(int(status.split(" ")[1]), headers, body)


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return body
