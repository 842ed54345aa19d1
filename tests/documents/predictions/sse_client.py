"""A client of server-sent events over a real socket, which can be cut wherever a test wants."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from tests.documents.predictions.live_server import connect, read_chunk

TAIL = "/v1/predictions/tail"


class Sent(NamedTuple):
    """One block of the stream; ``data`` is None where there is none."""

    event: str | None
    data: Any
    id: str | None
    comment: bool


class Following:
    """An open tail. ``last_id`` is the id of the last block that came whole, as browsers do it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.last_id: str | None = None
        self._rest = b""

    async def next(self) -> Sent | None:
        """The next block; None when the server has ended the answer."""
        while b"\n\n" not in self._rest:
            piece = await read_chunk(self.reader)
            if not piece:
                return None
            self._rest += piece
        block, _, self._rest = self._rest.partition(b"\n\n")
        fields = dict[str, str]()
        for line in block.decode().split("\n"):
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        self.last_id = fields.get("id", self.last_id)
        data = fields.get("data")
        return Sent(
            fields.get("event"),
            None if data is None else json.loads(data),
            fields.get("id"),
            "" in fields,
        )

    async def events(self, count: int) -> list[str]:
        """The ids of the next predictions."""
        found: list[str] = []
        while len(found) < count:
            sent = await self.next()
            assert sent is not None
            assert sent.event is None, sent
            if sent.data is not None:
                found.append(sent.data["prediction_id"])
        return found

    def cut(self) -> None:
        """As when the network goes: without a word."""
        self.writer.transport.abort()


@contextlib.asynccontextmanager
async def following(
    port: int, last_id: str | None = None, headers: Mapping[str, str] = {}, **query: str
) -> AsyncIterator[Following]:
    """A tail whose answer has begun: what is written from now on comes."""
    reader, writer = await connect(port)
    asked = {**headers, **({} if last_id is None else {"Last-Event-ID": last_id})}
    lines = [f"GET {TAIL}?{urlencode(query)} HTTP/1.1", "Host: polystore"]
    lines += [f"{name}: {value}" for name, value in asked.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    try:
        async with asyncio.timeout(30):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert head.startswith("http/1.1 200"), head
        assert "content-type: text/event-stream" in head
        tail = Following(reader, writer)
        hello = await tail.next()
        assert hello is not None
        assert hello.id
        yield tail
    finally:
        writer.transport.abort()
