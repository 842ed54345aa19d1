"""The NDJSON intake of labels."""

from collections import Counter
from collections.abc import AsyncGenerator, Sequence

from fastapi import Request
from msgspec import Struct
from typing_extensions import override

from service.documents.predictions.ingest.body import unpacked
from service.documents.predictions.ingest.chunked_stream import (
    LONGEST_LINE,
    TOO_LONG,
    Intake,
    LineError,
)
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
    errors: list[LineError]


class LabelIntake(Intake[LabelResult]):
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
    def told(self, through: int, results: Sequence[tuple[int, LabelResult]]) -> LabelProgress:
        self._counts.update(counts(result for _, result in results))
        errors = [
            LineError(number, result.code, result.errors)
            for number, result in results
            if result.code == "rejected"
        ]
        return LabelProgress(through, **self._counts, errors=errors)


def _read(line: bytes) -> Label | WrongLabel:
    return WrongLabel(None, [TOO_LONG]) if len(line) > LONGEST_LINE else decode_label(line)


class LabelStreamAnswer(LinesAnswer):
    """Takes in what comes, as :class:`LabelIntake` does."""

    @override
    def lines(self, request: Request) -> AsyncGenerator[bytes]:
        return LabelIntake(request).run(unpacked(request))
