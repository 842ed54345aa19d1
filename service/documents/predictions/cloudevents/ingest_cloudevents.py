"""Take in CloudEvents: events of the log, and messages that become events in pairs.

Write order: the message, the events, the pair's outcome. Ids derive from the pair's id, so every
retry is idempotent.
"""

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends

from service.auth.caller import ModelForbidden
from service.core.errors import ServiceError, field_error
from service.documents.predictions.cloudevents.attributes import CloudEvent
from service.documents.predictions.cloudevents.finish_pairs import (
    Outcome,
    PairFinisher,
    for_any_model,
)
from service.documents.predictions.cloudevents.identity import SIDE_OF_TYPE, identify
from service.documents.predictions.cloudevents.pairing import (
    InferenceMessage,
    read_inference_message,
)
from service.documents.predictions.cloudevents.pending import PendingStore
from service.documents.predictions.cloudevents.prediction_event import (
    decode_prediction,
    prediction_outcome,
)
from service.documents.predictions.cloudevents.schemas import CloudEventRead, CloudEventsRead
from service.documents.predictions.ingest.event import Event
from service.documents.predictions.ingest.ingest_events import ingest
from service.documents.predictions.ingest.read_event import Rejected
from service.documents.predictions.ingest.writer import writer_for
from service.stores.mongo.context import MongoContext, MongoService

Decoded = tuple[CloudEvent, Event | Rejected]


def finisher_for(context: MongoContext) -> PairFinisher:
    """Return what finishes the pairs of a request, for any model; see :class:`PairFinisher`."""
    writer = for_any_model(writer_for(context.request), context.store)
    count_refusal = context.request.state.metrics.count_refused_half
    return PairFinisher(PendingStore(context.store), writer, count_refusal)


class CloudEventIngest(MongoService):
    """Takes in the CloudEvents of one request."""

    def __init__(self, context: MongoContext) -> None:
        super().__init__(context)
        self._writer = writer_for(context.request)
        self._pairs = finisher_for(context)

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
                    decoded = await decode_prediction(event, self._writer.max_event_bytes)
                    predictions[index] = event, decoded
            except ServiceError as error:
                outcomes[index] = error
            await asyncio.sleep(0)
        outcomes |= await self._log_predictions(predictions)
        outcomes |= await self._pairs.add(messages)
        return [outcomes[index] for index in range(len(events))]

    async def _log_predictions(self, predictions: dict[int, Decoded]) -> dict[int, Outcome]:
        decoded = [prediction for _, prediction in predictions.values()]
        results = await ingest(self._writer, decoded)
        return {
            index: prediction_outcome(event.id, result)
            for (index, (event, _)), result in zip(predictions.items(), results, strict=True)
        }

    async def _read_message(self, event: CloudEvent) -> InferenceMessage:
        """Return the message of an event, refused if it makes no prediction.

        Raises:
            ModelForbidden: the caller's key is bound to other models.
            NotACloudEvent: the same, of a message that does not name its model.
        """
        identity = identify(event)
        if not self._caller.may_use(identity.model):
            raise identity.violation or _forbidden()
        return await read_inference_message(event, identity, self._writer.max_event_bytes)


def _forbidden() -> ModelForbidden:
    """Return the error with a pointer to the extension that names the model."""
    error = ModelForbidden()
    at_name = field_error(pointer="/inferenceservicename", code=error.code, detail=error.message)
    return ModelForbidden(errors=[at_name])


CloudEvents = Annotated[CloudEventIngest, Depends(CloudEventIngest.from_request)]
