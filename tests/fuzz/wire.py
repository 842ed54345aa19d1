"""Requests as bytes over one connection, so that what is sent is exactly what is shown."""

import asyncio
import time
from typing import NamedTuple

MAX_ANSWER_SECONDS = 20.0


class Answer(NamedTuple):
    """A response; ``status`` 0 means that the connection ended without one."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float


def request_bytes(
    method: str, target: str, headers: list[tuple[str, str]], body: bytes | None
) -> bytes:
    """Return a request; each name of ``headers`` replaces one of an earlier pair."""
    last = {name.lower(): (name, value) for name, value in headers}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in last.values())]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


class Connection:
    """One kept-alive connection, opened anew when the service closes it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, request: bytes) -> Answer:
        """Send a request and read its response."""
        began = time.perf_counter()
        try:
            if self._streams is None or self._streams[0].at_eof():
                self.close()
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            async with asyncio.timeout(MAX_ANSWER_SECONDS):
                status, headers, body = await self._exchange(*self._streams, request)
        except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError):
            self.close()
            return Answer(0, {}, b"", time.perf_counter() - began)
        if headers.get("connection") == "close":
            self.close()
        return Answer(status, headers, body, time.perf_counter() - began)

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        status = int(head[0].split()[1])
        if headers.get("transfer-encoding") == "chunked":
            return status, headers, await _read_chunks(reader)
        return status, headers, await reader.readexactly(int(headers.get("content-length", "0")))

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return body
