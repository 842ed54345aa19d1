"""Turn complete pairs into events.

The events are written before the pair stores its outcome, and their ids derive from the pair's id.
So every retry, by any worker, ends in the same events.
"""

import time
from collections.abc import Sequence
from uuid import UUID

from service.core.errors import ServiceError, field_error
from service.documents.predictions.cloudevents.pairing import pair_events
from service.documents.predictions.cloudevents.pending import PairOutcome, PendingStore
from service.documents.predictions.errors import PredictionConflict
from service.documents.predictions.ingest.ingest_events import ingest
from service.documents.predictions.ingest.writer import PredictionWriter
from service.stores.mongo.client import Document

MAX_LOADED_PAIRS, SWEEP_SECONDS = 4, 10.0


class SweepSchedule:
    """When this process last looked for stuck pairs; ``last`` is in seconds of the clock."""

    last = float("-inf")

    def is_due(self) -> bool:
        """Return whether a sweep is due, and start the next interval if it is."""
        if time.monotonic() - self.last < SWEEP_SECONDS:
            return False
        self.last = time.monotonic()
        return True


SWEEP_SCHEDULE = SweepSchedule()


class PairFinisher:
    """Writes the events of complete pairs, then their outcomes."""

    def __init__(self, pending: PendingStore, writer: PredictionWriter) -> None:
        self._pending, self._writer = pending, writer

    async def finish(self, complete: Sequence[Document]) -> dict[UUID, PairOutcome]:
        """Log the pairs that are still whole; return their outcomes by id.

        A few pairs are loaded at a time, because each may hold two bodies of the largest size.

        Raises:
            Unavailable: MongoDB is down, hangs or is busy; finishing them again is safe.
        """
        finished: dict[UUID, PairOutcome] = {}
        for start in range(0, len(complete), MAX_LOADED_PAIRS):
            pairs = await self._pending.load_data(complete[start : start + MAX_LOADED_PAIRS])
            outcomes = [await self._log(pair) for pair in pairs]
            await self._pending.finish(outcomes)
            finished |= {outcome.pair_id: outcome for outcome in outcomes}
        return finished

    async def finish_stuck(self) -> None:
        """Finish pairs that other workers left complete. Raises as :meth:`finish`."""
        await self.finish(await self._pending.stuck_pairs())

    async def _log(self, pair: Document) -> PairOutcome:
        try:
            events = await pair_events(pair)
        except ServiceError as error:
            return _failure(pair, error, "")
        results = await ingest(self._writer, events)
        for result in results:
            if result.code == "conflict":
                return _failure(pair, PredictionConflict(), "/id")
            if result.code == "rejected":
                return PairOutcome(pair["_id"], 0, "rejected", result.errors[0])
        is_new = any(result.code == "created" for result in results)
        return PairOutcome(pair["_id"], len(results), "created" if is_new else "duplicate")


def _failure(pair: Document, error: ServiceError, pointer: str) -> PairOutcome:
    at_pointer = field_error(pointer=pointer, code=error.code, detail=error.message)
    return PairOutcome(pair["_id"], 0, "rejected", at_pointer)
