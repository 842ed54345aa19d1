"""The NDJSON intake of labels."""

from collections import Counter
from collections.abc import AsyncGenerator, Sequence

from fastapi import Request
from msgspec import Struct
from typing_extensions import override

from service.documents.predictions.ingest.body import decompressed
from service.documents.predictions.ingest.chunked_stream import (
    LINE_TOO_LONG,
    MAX_LINE_BYTES,
    StreamIngest,
)
from service.documents.predictions.ingest.schemas import StreamLineError
from service.documents.predictions.labels.apply_labels import LabelResult, counts, label_all
from service.documents.predictions.labels.label import Label, WrongLabel, decode_label
from service.documents.predictions.labels.repository import LabelLog
from service.web.ndjson import LinesAnswer


class LabelProgress(Struct):
    """See :class:`LabelLine`."""

    committed_through: int
    labelled: int
    revised: int
    unchanged: int
    pending: int
    rejected: int
    errors: list[StreamLineError]


class LabelIntake(StreamIngest[LabelResult]):
    """A stream of labels."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self._counts = Counter(counts([]))

    @override
    async def write(self, lines: Sequence[bytes]) -> list[LabelResult]:
        state = self.request.state
        log = LabelLog(state.mongo, state.caller, state.retention)
        return await label_all(log, map(_read, lines))

    @override
    def progress(self, through: int, results: Sequence[tuple[int, LabelResult]]) -> LabelProgress:
        self._counts.update(counts(result for _, result in results))
        errors = [
            StreamLineError(number, result.code, result.errors)
            for number, result in results
            if result.code == "rejected"
        ]
        return LabelProgress(through, **self._counts, errors=errors)


def _read(line: bytes) -> Label | WrongLabel:
    return WrongLabel(None, [LINE_TOO_LONG]) if len(line) > MAX_LINE_BYTES else decode_label(line)


class LabelStreamAnswer(LinesAnswer):
    """Takes in what comes, as :class:`LabelIntake` does."""

    @override
    def lines(self, request: Request) -> AsyncGenerator[bytes]:
        return LabelIntake(request).run(decompressed(request))
