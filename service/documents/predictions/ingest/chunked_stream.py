"""Streams that are written in pieces: every few hundred lines are one write, durable once told.

A sender whose connection was cut goes on behind the line it was told last. Sending lines twice does
no harm: what is written here can be repeated.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Generic, TypeVar

import msgspec
from fastapi import Request
from msgspec import Struct
from starlette.requests import ClientDisconnect

from service.core.errors import FieldError, ServiceError
from service.documents.predictions.ingest.limiter import IntakeLimiter
from service.web.ndjson import lines_of, stopped

MAX_CHUNK_LINES, MAX_CHUNK_BYTES = 500, 4_194_304
MAX_LINE_BYTES = 1_048_576
LINE_TOO_LONG = FieldError(
    pointer="", code="line_too_long", detail=f"A line has at most {MAX_LINE_BYTES} bytes."
)
R = TypeVar("R")


class LineError(Struct, omit_defaults=True):
    line: int
    code: str
    errors: list[FieldError] = []


class StreamIngest(ABC, Generic[R]):
    """One stream: what has come in, and what has become of it."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self._limiter: IntakeLimiter = request.state.intake_limiter
        self._seen, self._bytes, self._rest, self._committed = 0, 0, 0, 0
        self._waiting: list[tuple[int, bytes]] = []

    @abstractmethod
    async def write(self, lines: Sequence[bytes]) -> list[R]:
        """Makes lines durable, for the caller of the request; what became of each, in order.

        Those that are longer than MAX_LINE_BYTES are cut and come to nothing.
        """

    @abstractmethod
    def progress(self, through: int, results: Sequence[tuple[int, R]]) -> Struct:
        """The next line of the answer, after these results of lines of these numbers."""

    async def run(self, pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
        """The lines of the answer."""
        try:
            async for line in lines_of(pieces, MAX_LINE_BYTES, self._track_partial):
                self._take(line)
                if len(self._waiting) >= MAX_CHUNK_LINES or self._bytes >= MAX_CHUNK_BYTES:
                    yield await self._write()
            if self._waiting or not self._committed:
                yield await self._write()
        except ClientDisconnect:
            if self._waiting:  # whole lines that came count, though nobody hears of it
                await self._write()
        except ServiceError as refusal:
            if not self._committed:
                raise
            yield stopped(self._committed, refusal)
        finally:
            self._limiter.release(self._bytes + self._rest)

    def _track_partial(self, rest: int) -> None:
        self._limiter.acquire(rest - self._rest)
        self._rest = rest

    def _take(self, line: bytes) -> None:
        self._seen += 1
        if line.strip():
            self._limiter.acquire(len(line))
            self._bytes += len(line)
            self._waiting.append((self._seen, line))

    async def _write(self) -> bytes:
        state = self.request.state
        async with self._limiter.worker_slot:
            # Who may write may have changed since the stream began, which can be long ago.
            state.caller = await state.authenticator.authenticate(self.request, state.access)
            results = await self.write([line for _, line in self._waiting])
        numbers = [number for number, _ in self._waiting]
        self._limiter.release(self._bytes)
        self._waiting, self._bytes, self._committed = [], 0, self._seen
        told = self.progress(self._committed, [*zip(numbers, results, strict=True)])
        return msgspec.json.encode(told) + b"\n"
