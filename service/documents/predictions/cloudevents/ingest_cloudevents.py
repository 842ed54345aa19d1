"""Take in CloudEvents: events of the log, and messages that become events in pairs.

Write order: the message, the events, the pair's outcome. Ids derive from the pair's id, so every
retry is idempotent.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

from fastapi import Depends

from service.auth.caller import Caller, ModelForbidden
from service.core.errors import FieldError, OutcomeUnknown, ServiceError, field_error
from service.documents.predictions.cloudevents.attributes import CloudEvent
from service.documents.predictions.cloudevents.finish_pairs import SWEEP_SCHEDULE, PairFinisher
from service.documents.predictions.cloudevents.pairing import (
    SIDE_OF_TYPE,
    InferenceMessage,
    check_rows,
    prediction_ids,
    read_inference_message,
)
from service.documents.predictions.cloudevents.pending import (
    InvalidPair,
    MessageConflict,
    PairOutcome,
    PendingStore,
)
from service.documents.predictions.cloudevents.prediction_event import (
    decode_prediction,
    prediction_outcome,
)
from service.documents.predictions.cloudevents.schemas import CloudEventRead, CloudEventsRead
from service.documents.predictions.errors import PredictionConflict
from service.documents.predictions.ingest.event import Event
from service.documents.predictions.ingest.ingest_events import ingest
from service.documents.predictions.ingest.read_event import Rejected
from service.documents.predictions.ingest.writer import PredictionWriter, writer_for
from service.stores.mongo.client import Document
from service.stores.mongo.context import MongoContext, MongoService

Outcome = CloudEventRead | ServiceError
Decoded = tuple[CloudEvent, Event | Rejected]


class CloudEventIngest(MongoService):
    """Takes in the CloudEvents of one request."""

    def __init__(self, context: MongoContext) -> None:
        super().__init__(context)
        self._writer = writer_for(context.request)
        self._pending = PendingStore(context.store)
        # Without a bound caller: the senders of a pair were authorised, and another may finish it.
        writer = PredictionWriter(
            context.store, Caller(), self._writer.shared_writer, self._writer.retention
        )
        self._pairs = PairFinisher(self._pending, writer)

    async def ingest_one(self, event: CloudEvent) -> CloudEventRead:
        """Return the result of one CloudEvent, durable.

        Raises:
            ServiceError: the event is rejected, or MongoDB does not answer.
        """
        (outcome,) = await self._ingest([event])
        if isinstance(outcome, ServiceError):
            raise outcome
        return outcome

    async def ingest_batch(self, events: Sequence[CloudEvent | ServiceError]) -> CloudEventsRead:
        """Return the results of the events of a batch, each independent of the others.

        Raises:
            Unavailable: MongoDB is down, hangs or is busy; sending all of them again is safe.
        """
        outcomes = await self._ingest(events)
        results = [
            CloudEventRead(
                getattr(event, "id", None), outcome.status, outcome.code, errors=outcome.errors
            )
            if isinstance(outcome, ServiceError)
            else outcome
            for event, outcome in zip(events, outcomes, strict=True)
        ]
        return CloudEventsRead.of(results)

    async def _ingest(self, events: Sequence[CloudEvent | ServiceError]) -> list[Outcome]:
        outcomes: dict[int, Outcome] = {}
        predictions: dict[int, Decoded] = {}
        messages: dict[int, InferenceMessage] = {}
        for index, event in enumerate(events):
            try:
                if isinstance(event, ServiceError):
                    raise event
                if event.type in SIDE_OF_TYPE:
                    messages[index] = await self._read_message(event)
                else:
                    predictions[index] = event, decode_prediction(event)
            except ServiceError as error:
                outcomes[index] = error
            await asyncio.sleep(0)
        outcomes |= await self._log_predictions(predictions)
        outcomes |= await self._pair_messages(messages)
        return [outcomes[index] for index in range(len(events))]

    async def _log_predictions(self, predictions: dict[int, Decoded]) -> dict[int, Outcome]:
        decoded = [prediction for _, prediction in predictions.values()]
        results = await ingest(self._writer, decoded)
        return {
            index: prediction_outcome(event.id, result)
            for (index, (event, _)), result in zip(predictions.items(), results, strict=True)
        }

    async def _read_message(self, event: CloudEvent) -> InferenceMessage:
        message, content = await read_inference_message(event)
        if not self._caller.may_use(message.model):
            raise _forbidden()
        await check_rows(message, content)
        return message

    async def _pair_messages(self, messages: dict[int, InferenceMessage]) -> dict[int, Outcome]:
        if not messages:
            return {}
        pairs = await self._pending.add(list(messages.values()))
        whole = [pair for pair in pairs.values() if pair["state"] == "whole"]
        finished = await self._pairs.finish(whole)
        # Another request has finished these in the meantime.
        stale = {pair["_id"] for pair in whole} - finished.keys()
        if stale:
            pairs = {pair_id: pairs[pair_id] for pair_id in pairs.keys() - stale}
            pairs |= await self._pending.get(stale)
        if SWEEP_SCHEDULE.is_due():
            with suppress(ServiceError):  # the pairs of others stay and wait for the next sweep
                await self._pairs.finish_stuck()
        return {
            index: _message_outcome(
                message, pairs.get(message.pair_id), finished.get(message.pair_id)
            )
            for index, message in messages.items()
        }


def _message_outcome(
    message: InferenceMessage, pair: Document | None, finished: PairOutcome | None
) -> Outcome:
    stored = None if pair is None else pair.get(message.side)
    if pair is None or stored is None:
        return OutcomeUnknown("Send it again: its pair has just expired.")
    if stored["hash"] != message.document["hash"]:
        return MessageConflict()
    if finished is None:
        return _stored_outcome(message, pair)
    if finished.error is not None:
        return _pair_error(finished.error)
    status, ids = _STATUS[finished.code], prediction_ids(message.pair_id, finished.rows)
    return CloudEventRead(message.event_id, status, finished.code, ids)


_STATUS = {"created": 201, "duplicate": 200}


def _stored_outcome(message: InferenceMessage, pair: Document) -> Outcome:
    """Return the outcome of a message whose pair this request did not finish."""
    if pair["state"] == "waiting":
        return CloudEventRead(message.event_id, 202, "waiting")
    error = pair.get("refusal")
    if error is not None:
        return _pair_error(error)
    rows = pair.get("rows")
    ids = prediction_ids(message.pair_id, rows) if rows else []
    return CloudEventRead(message.event_id, 200, "duplicate", ids)


def _pair_error(error: FieldError) -> ServiceError:
    if error["code"] == PredictionConflict.code:
        return PredictionConflict()
    return InvalidPair(errors=[error])


def _forbidden() -> ModelForbidden:
    """Return the error with a pointer to the extension that names the model."""
    error = ModelForbidden()
    at_name = field_error(pointer="/inferenceservicename", code=error.code, detail=error.message)
    return ModelForbidden(errors=[at_name])


CloudEvents = Annotated[CloudEventIngest, Depends(CloudEventIngest.from_request)]
