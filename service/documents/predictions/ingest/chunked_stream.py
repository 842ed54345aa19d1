"""Write a stream in chunks: a few hundred lines are one write, and durable once acknowledged.

A sender whose connection was cut continues after the last acknowledged line. It may send lines
twice, because every write can be repeated.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Generic, TypeVar

import msgspec
from fastapi import Request
from msgspec import Struct
from starlette.requests import ClientDisconnect

from service.core.errors import FieldError, ServiceError, field_error
from service.documents.predictions.ingest.limiter import IntakeLimiter
from service.web.bodies.ndjson import BYTES, NDJSON, lines_of, stopped

STREAM_TYPES = (NDJSON, "application/jsonl", "application/ndjson", BYTES)
MAX_CHUNK_LINES, MAX_CHUNK_BYTES = 500, 4_194_304
R = TypeVar("R")


def line_too_long(max_bytes: int) -> FieldError:
    """Return the error of a line of more than ``max_bytes``."""
    return field_error("", "line_too_long", f"Send lines of at most {max_bytes} bytes.")


class StreamIngest(ABC, Generic[R]):
    """One stream: the lines that were received, and the results of those that were written."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self._limiter: IntakeLimiter = request.state.intake_limiter
        self.max_line_bytes: int = request.state.settings.max_event_bytes
        self._received, self._committed = 0, 0  # numbers of lines
        self._bytes, self._partial_bytes = 0, 0
        self._waiting: list[tuple[int, bytes]] = []

    @abstractmethod
    async def write(self, lines: Sequence[bytes]) -> list[R]:
        """Make lines durable, for the caller of the request; return their results in order.

        Lines longer than ``max_line_bytes`` are cut: reject them.
        """

    @abstractmethod
    def progress(self, through: int, results: Sequence[tuple[int, R]]) -> Struct:
        """Return the next line of the response, after these results by line number."""

    async def run(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
        """Yield the lines of the response.

        An error after the first line ends the response with a line of its own.
        """
        try:
            async for line in lines_of(chunks, self.max_line_bytes, self._track_partial):
                self._add(line)
                if len(self._waiting) >= MAX_CHUNK_LINES or self._bytes >= MAX_CHUNK_BYTES:
                    yield await self._write()
            if self._waiting or not self._committed:
                yield await self._write()
        except ClientDisconnect:
            if self._waiting:  # complete lines are written, although no one reads the response
                await self._write()
        except ServiceError as error:
            if not self._committed:
                raise
            yield stopped(self._committed, error)
        finally:
            self._limiter.release(self._bytes + self._partial_bytes)

    def _track_partial(self, size: int) -> None:
        """Count the bytes of the line whose end was not received yet."""
        self._limiter.acquire(size - self._partial_bytes)
        self._partial_bytes = size

    def _add(self, line: bytes) -> None:
        self._received += 1
        if line.strip():
            self._limiter.acquire(len(line))
            self._bytes += len(line)
            self._waiting.append((self._received, line))

    async def _write(self) -> bytes:
        state = self.request.state
        limiter = self._limiter
        async with limiter.stream_slot if self._committed else limiter.worker_slot:
            # The caller's permission may have changed since the stream began, long ago.
            state.caller = await state.authenticator.authenticate(self.request, state.access)
            results = await self.write([line for _, line in self._waiting])
        numbers = [number for number, _ in self._waiting]
        self._limiter.release(self._bytes)
        self._waiting, self._bytes, self._committed = [], 0, self._received
        line = self.progress(self._committed, [*zip(numbers, results, strict=True)])
        return msgspec.json.encode(line) + b"\n"
