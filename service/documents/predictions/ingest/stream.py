"""The NDJSON intake of events: lines in, lines out, durable in between."""

from collections import Counter
from collections.abc import AsyncGenerator, Sequence

from fastapi import Request
from msgspec import Struct
from typing_extensions import override

from service.documents.predictions.ingest.body import decompressed
from service.documents.predictions.ingest.chunked_stream import (
    LINE_TOO_LONG,
    MAX_LINE_BYTES,
    LineError,
    StreamIngest,
)
from service.documents.predictions.ingest.decode import Rejected, decode_event, has_escaped_nul
from service.documents.predictions.ingest.event import Event
from service.documents.predictions.ingest.ingest_events import Result, counts, ingest
from service.documents.predictions.ingest.writer import writer_for
from service.web.ndjson import LinesAnswer


class Progress(Struct, omit_defaults=False):
    """See :class:`StreamLine`."""

    committed_through: int
    created: int
    duplicates: int
    conflicts: int
    rejected: int
    errors: list[LineError]


class EventIntake(StreamIngest[Result]):
    """A stream of events."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self._counts: Counter[str] = Counter()

    @override
    async def write(self, lines: Sequence[bytes]) -> list[Result]:
        suspicious = any(map(has_escaped_nul, lines))
        events = map(_read, lines)
        return await ingest(writer_for(self.request), events, suspicious=suspicious)

    @override
    def progress(self, through: int, results: Sequence[tuple[int, Result]]) -> Progress:
        self._counts += counts(result for _, result in results)
        return Progress(
            committed_through=through,
            created=self._counts["created"],
            duplicates=self._counts["duplicate"],
            conflicts=self._counts["conflict"],
            rejected=self._counts["rejected"],
            errors=[
                LineError(number, result.code, result.errors)
                for number, result in results
                if result.code in ("conflict", "rejected")
            ],
        )


def _read(line: bytes) -> Event | Rejected:
    return Rejected(None, LINE_TOO_LONG) if len(line) > MAX_LINE_BYTES else decode_event(line)


class StreamAnswer(LinesAnswer):
    """Logs what comes, as :class:`EventIntake` does."""

    @override
    def lines(self, request: Request) -> AsyncGenerator[bytes]:
        return EventIntake(request).run(decompressed(request))
