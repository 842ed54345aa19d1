"""The NDJSON stream of labels."""

from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from itertools import chain

from fastapi import Request, Response
from typing_extensions import override

from service.documents.predictions.ingest.chunked_stream import (
    StreamIngest,
    line_too_long,
)
from service.documents.predictions.ingest.schemas import StreamLineError
from service.documents.predictions.labels.apply_labels import apply_labels
from service.documents.predictions.labels.label import InvalidLabel, Parts, decode_label
from service.documents.predictions.labels.repository import LabelRepository
from service.documents.predictions.labels.schemas import LabelLine, LabelResult, count_codes
from service.stores.mongo.client import now
from service.stores.mongo.context import MongoContext
from service.web.bodies.decompress import decompressed
from service.web.bodies.ndjson import LinesResponse


class LabelIngest(StreamIngest[LabelResult]):
    """One stream of labels."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self._counts = Counter(count_codes([]))

    @override
    async def write(self, lines: Sequence[bytes]) -> list[LabelResult]:
        # Built anew for each chunk, because the caller may have changed.
        labels = LabelRepository(MongoContext.of(self.request, Response()))
        received_at = now()
        parts = chain.from_iterable(self._decode(line, received_at) for line in lines)
        return await apply_labels(labels, parts)

    def _decode(self, line: bytes, received_at: datetime) -> Parts:
        if len(line) > self.max_line_bytes:
            return iter([InvalidLabel(None, [line_too_long(self.max_line_bytes)])])
        return decode_label(line, received_at)

    @override
    def progress(self, through: int, results: Sequence[tuple[int, LabelResult]]) -> LabelLine:
        self._counts.update(count_codes(result for _, result in results))
        errors = [
            StreamLineError(number, result.code, result.errors)
            for number, result in results
            if result.code == "rejected"
        ]
        return LabelLine(through, **self._counts, errors=errors)


class LabelStreamResponse(LinesResponse):
    """The response to a stream of labels."""

    @override
    def lines(self, request: Request) -> AsyncGenerator[bytes]:
        return LabelIngest(request).run(decompressed(request))
