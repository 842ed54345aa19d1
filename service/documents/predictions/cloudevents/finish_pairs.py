"""Add messages to their pairs, and turn complete pairs into events.

The events are written before the pair stores its outcome, and their ids derive from the pair's id.
So every retry, by any worker, ends in the same events.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from uuid import UUID

from service.auth.caller import Caller
from service.core.errors import FieldError, OutcomeUnknown, ServiceError, field_error, printable
from service.documents.predictions.cloudevents.identity import prediction_ids
from service.documents.predictions.cloudevents.pairing import InferenceMessage, pair_events
from service.documents.predictions.cloudevents.pending import (
    InvalidPair,
    MessageConflict,
    PairOutcome,
    PendingStore,
    refusal_of,
)
from service.documents.predictions.cloudevents.schemas import CloudEventRead
from service.documents.predictions.errors import PredictionConflict
from service.documents.predictions.ingest.ingest_events import ingest
from service.documents.predictions.ingest.writer import PredictionWriter
from service.stores.mongo.client import Document, MongoStore

Outcome = CloudEventRead | ServiceError
KEPT = "It is kept for a week: see GET /v1/predictions/halves?state=refused."
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


def for_any_model(writer: PredictionWriter, mongo: MongoStore) -> PredictionWriter:
    """Return a writer like this one, whose caller is not bound to models."""
    return PredictionWriter(
        mongo, Caller(), writer.shared_writer, writer.retention, writer.max_event_bytes
    )


class PairFinisher:
    """Writes the events of complete pairs, then their outcomes.

    Args:
        pending: the stored pairs.
        writer: of the log, for any model: the senders of a pair were authorised, and another may
            finish it.
        count_refusal: called with the code of each message or pair that makes no event.
    """

    def __init__(
        self,
        pending: PendingStore,
        writer: PredictionWriter,
        count_refusal: Callable[[str], None],
    ) -> None:
        self.pending, self._writer, self._count_refusal = pending, writer, count_refusal

    async def add(self, messages: Mapping[int, InferenceMessage]) -> dict[int, Outcome]:
        """Store messages, and finish the pairs that they complete; return the outcome of each.

        Raises:
            Unavailable: MongoDB is down, hangs or is busy; adding them again is safe.
        """
        if not messages:
            return {}
        pairs = await self.pending.add(list(messages.values()))
        whole = [pair for pair in pairs.values() if pair["state"] == "whole"]
        finished = await self.finish(whole)
        # Another request has finished these in the meantime.
        stale = {pair["_id"] for pair in whole} - finished.keys()
        if stale:
            pairs = {pair_id: pairs[pair_id] for pair_id in pairs.keys() - stale}
            pairs |= await self.pending.get(stale)
        if SWEEP_SCHEDULE.is_due():
            with suppress(ServiceError):  # the pairs of others stay and wait for the next sweep
                await self.finish_stuck()
        for message in messages.values():
            if message.refusal is not None:
                self._count_refusal(message.document["refusal"]["code"])
        return {
            index: _message_outcome(
                message, pairs.get(message.pair_id), finished.get(message.pair_id)
            )
            for index, message in messages.items()
        }

    async def finish(self, complete: Sequence[Document]) -> dict[UUID, PairOutcome]:
        """Log the pairs that are still whole; return their outcomes by id.

        A few pairs are loaded at a time, because each may hold two bodies of the largest size.

        Raises:
            Unavailable: MongoDB is down, hangs or is busy; finishing them again is safe.
        """
        finished: dict[UUID, PairOutcome] = {}
        for start in range(0, len(complete), MAX_LOADED_PAIRS):
            pairs = await self.pending.load_data(complete[start : start + MAX_LOADED_PAIRS])
            outcomes = [await self._log(pair) for pair in pairs]
            for outcome in outcomes:
                if outcome.error is not None:
                    self._count_refusal(outcome.error["code"])
            await self.pending.finish(outcomes)
            finished |= {outcome.pair_id: outcome for outcome in outcomes}
        return finished

    async def finish_stuck(self) -> None:
        """Finish pairs that other workers left complete. Raises as :meth:`finish`."""
        await self.finish(await self.pending.stuck_pairs())

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


def _message_outcome(
    message: InferenceMessage, pair: Document | None, finished: PairOutcome | None
) -> Outcome:
    stored = None if pair is None else pair.get(message.side)
    if pair is None or stored is None:
        return OutcomeUnknown("Send it again: its pair has just expired.")
    is_stored = stored["hash"] == message.document["hash"]
    if message.refusal is not None:
        return _kept(message.refusal) if is_stored else message.refusal
    if not is_stored:
        return MessageConflict()
    if finished is None:
        return _stored_outcome(message, pair)
    if finished.error is not None:
        return _pair_error(finished.error)
    status, ids = _STATUS[finished.code], prediction_ids(message.pair_id, finished.rows)
    return CloudEventRead(message.event_id, status, finished.code, ids)


def _kept(refusal: ServiceError) -> ServiceError:
    refusal.message = printable(f"{refusal.message} {KEPT}")
    return refusal


_STATUS = {"created": 201, "duplicate": 200}


def _stored_outcome(message: InferenceMessage, pair: Document) -> Outcome:
    """Return the outcome of a message whose pair this request did not finish."""
    if pair["state"] == "waiting":
        return CloudEventRead(message.event_id, 202, "waiting")
    error = refusal_of(pair)
    if error is not None:
        return _pair_error(error)
    rows = pair.get("rows")
    ids = prediction_ids(message.pair_id, rows) if rows else []
    return CloudEventRead(message.event_id, 200, "duplicate", ids)


def _pair_error(error: FieldError) -> ServiceError:
    if error["code"] == PredictionConflict.code:
        return PredictionConflict()
    return InvalidPair(errors=[error])
