"""A client of server-sent events over a real socket, which a test can cut at any point."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from tests.documents.predictions.live_server import connect, read_chunk

TAIL = "/v1/predictions/tail"


class SentBlock(NamedTuple):
    """One block of the stream; ``data`` is None if it has none."""

    event: str | None
    data: Any
    id: str | None
    comment: bool


class TailConnection:
    """An open tail. ``last_id`` is the id of the last complete block, as in browsers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.last_id: str | None = None
        self._buffer = b""

    async def next(self) -> SentBlock | None:
        """Return the next block, or None at the end of the response."""
        while b"\n\n" not in self._buffer:
            chunk = await read_chunk(self.reader)
            if not chunk:
                return None
            self._buffer += chunk
        text, _, self._buffer = self._buffer.partition(b"\n\n")
        fields = dict[str, str]()
        for line in text.decode().split("\n"):
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        self.last_id = fields.get("id", self.last_id)
        data = fields.get("data")
        return SentBlock(
            fields.get("event"),
            None if data is None else json.loads(data),
            fields.get("id"),
            "" in fields,
        )

    async def events(self, count: int) -> list[str]:
        """Return the ids of the next ``count`` predictions."""
        ids: list[str] = []
        while len(ids) < count:
            block = await self.next()
            assert block is not None
            assert block.event is None, block
            if block.data is not None:
                ids.append(block.data["prediction_id"])
        return ids

    def cut(self) -> None:
        """Abort the connection, as a network failure does."""
        self.writer.transport.abort()


@contextlib.asynccontextmanager
async def open_tail(
    port: int, last_id: str | None = None, headers: Mapping[str, str] = {}, **query: str
) -> AsyncIterator[TailConnection]:
    """Open a tail and wait for its first block: events that are logged from now on arrive."""
    reader, writer = await connect(port)
    all_headers = {**headers, **({} if last_id is None else {"Last-Event-ID": last_id})}
    lines = [f"GET {TAIL}?{urlencode(query)} HTTP/1.1", "Host: polystore"]
    lines += [f"{name}: {value}" for name, value in all_headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    try:
        async with asyncio.timeout(30):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert head.startswith("http/1.1 200"), head
        assert "content-type: text/event-stream" in head
        tail = TailConnection(reader, writer)
        greeting = await tail.next()
        assert greeting is not None
        assert greeting.id
        yield tail
    finally:
        writer.transport.abort()
