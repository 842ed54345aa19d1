"""The NDJSON intake: lines in, lines out, durable in between.

Every few hundred lines are one insert; the answer then says through which line all is durable, so
that a sender whose connection was cut goes on from there. Sending lines twice does no harm.
"""

from collections import Counter
from collections.abc import AsyncIterator

import msgspec
from fastapi import Request
from msgspec import Struct
from starlette.requests import ClientDisconnect
from typing_extensions import override

from service.errors import FieldError, ServiceError
from service.ndjson import LinesAnswer, lines_of, stopped
from service.predictions.body import unpacked
from service.predictions.decode import Rejected, decode_event
from service.predictions.event import Event
from service.predictions.flight import InFlight
from service.predictions.ingest import ESCAPED_NUL, Result, counts, ingest
from service.predictions.log import log_of

LINES_AT_ONCE, BYTES_AT_ONCE = 500, 4_194_304
LONGEST_LINE = 1_048_576
TOO_LONG = FieldError(
    pointer="", code="line_too_long", detail=f"A line has at most {LONGEST_LINE} bytes."
)


class LineError(Struct, omit_defaults=True):
    line: int
    code: str
    errors: list[FieldError] = []


class Progress(Struct, omit_defaults=False):
    """See :class:`StreamLine`."""

    committed_through: int
    created: int
    duplicates: int
    conflicts: int
    rejected: int
    errors: list[LineError]


class Intake:
    """One stream: what has come in, and what has become of it."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._in_flight: InFlight = request.state.in_flight
        self._seen, self._committed = 0, 0
        self._counts: Counter[str] = Counter()
        self._waiting: list[tuple[int, Event | Rejected]] = []
        self._suspicious, self._bytes = False, 0

    async def run(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The lines of the answer."""
        try:
            async for line in lines_of(pieces, LONGEST_LINE):
                self._take(line)
                if len(self._waiting) >= LINES_AT_ONCE or self._bytes >= BYTES_AT_ONCE:
                    yield await self._commit()
            if self._waiting or not self._committed:
                yield await self._commit()
        except ClientDisconnect:
            if self._waiting:  # whole lines that came count, though nobody hears of it
                await self._commit()
        except ServiceError as refusal:
            if not self._committed:
                raise
            yield stopped(self._committed, refusal)
        finally:
            self._in_flight.give_back(self._bytes)

    def _take(self, line: bytes) -> None:
        self._seen += 1
        if line.strip():
            self._in_flight.take(len(line))
            self._bytes += len(line)
            self._suspicious |= ESCAPED_NUL in line
            long = len(line) > LONGEST_LINE
            event = Rejected(None, TOO_LONG) if long else decode_event(line)
            self._waiting.append((self._seen, event))

    async def _commit(self) -> bytes:
        # Who may log may have changed since the stream began, which can be long ago.
        state = self._request.state
        state.caller = await state.gate.admit(self._request, state.access)
        log = log_of(self._request)
        events = [event for _, event in self._waiting]
        results = await ingest(log, events, suspicious=self._suspicious)
        numbers = [number for number, _ in self._waiting]
        self._in_flight.give_back(self._bytes)
        self._waiting, self._bytes, self._suspicious = [], 0, False
        self._committed = self._seen
        return self._progress(numbers, results)

    def _progress(self, numbers: list[int], results: list[Result]) -> bytes:
        self._counts += counts(results)
        bad = [
            LineError(number, result.code, result.errors)
            for number, result in zip(numbers, results, strict=True)
            if result.code in ("conflict", "rejected")
        ]
        told = Progress(
            committed_through=self._committed,
            created=self._counts["created"],
            duplicates=self._counts["duplicate"],
            conflicts=self._counts["conflict"],
            rejected=self._counts["rejected"],
            errors=bad,
        )
        return msgspec.json.encode(told) + b"\n"


class StreamAnswer(LinesAnswer):
    """Logs what comes, as :class:`Intake` does."""

    @override
    def lines(self, request: Request) -> AsyncIterator[bytes]:
        return Intake(request).run(unpacked(request))
