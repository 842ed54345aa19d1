"""The NDJSON stream of events: lines in, lines out, durable in between."""

from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from itertools import chain

from fastapi import Request
from typing_extensions import override

from service.documents.predictions.ingest.chunked_stream import (
    StreamIngest,
    line_too_long,
)
from service.documents.predictions.ingest.decode import decode_in_parts
from service.documents.predictions.ingest.event import Event
from service.documents.predictions.ingest.ingest_events import ingest
from service.documents.predictions.ingest.read_event import Rejected
from service.documents.predictions.ingest.schemas import (
    IntakeResult,
    StreamLine,
    StreamLineError,
    count_codes,
    totals,
)
from service.documents.predictions.ingest.writer import writer_for
from service.web.bodies.decompress import decompressed
from service.web.bodies.ndjson import LinesResponse


class EventIngest(StreamIngest[IntakeResult]):
    """One stream of events."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self._counts: Counter[str] = Counter()

    @override
    async def write(self, lines: Sequence[bytes]) -> list[IntakeResult]:
        return await ingest(writer_for(self.request), chain.from_iterable(map(self._decode, lines)))

    def _decode(self, line: bytes) -> Iterator[Event | Rejected | None]:
        if len(line) > self.max_line_bytes:
            return iter([Rejected(None, [line_too_long(self.max_line_bytes)])])
        return decode_in_parts(line)

    @override
    def progress(self, through: int, results: Sequence[tuple[int, IntakeResult]]) -> StreamLine:
        self._counts += count_codes(result for _, result in results)
        errors = [
            StreamLineError(number, result.code, result.errors)
            for number, result in results
            if result.code in ("conflict", "rejected")
        ]
        return StreamLine(through, *totals(self._counts), errors)


class EventStreamResponse(LinesResponse):
    """The response to a stream of events."""

    @override
    def lines(self, request: Request) -> AsyncGenerator[bytes]:
        return EventIngest(request).run(decompressed(request))
