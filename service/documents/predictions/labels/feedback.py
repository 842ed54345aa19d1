"""Feedback in MongoDB: the true label of one prediction, and its history.

Feedback is stored beside the event, because the event is immutable and the label may arrive first.
``history.py`` merges repeated and late labels.
"""

from datetime import datetime
from typing import Annotated, NamedTuple
from uuid import UUID

from fastapi import Depends
from pymongo import ReturnDocument

from service.core.errors import Conflict, NotFound, Refused
from service.documents.predictions.clock import future_violation
from service.documents.predictions.documents import FEEDBACK, PREDICTIONS
from service.documents.predictions.errors import PredictionNotFound
from service.documents.predictions.ids import to_uuid
from service.documents.predictions.labels.early_labels import adopt, expiry_update, find_early
from service.documents.predictions.labels.history import (
    MAX_REVISIONS,
    merge,
    merge_update,
)
from service.documents.predictions.labels.schemas import FeedbackWrite, WithdrawalQuery
from service.documents.predictions.reading.encoding import encode_json, feedback_to_dict
from service.documents.predictions.reading.feedback import binding_of
from service.documents.retention.rule_cache import RetentionRuleCache
from service.stores.mongo.client import Document, now
from service.stores.mongo.context import MongoContext, MongoService
from service.web.conditional import JsonResource


class TooManyRevisions(Conflict):
    code, title = "too_many_revisions", f"This prediction has {MAX_REVISIONS} labels already"
    detail = "Send only labels that are stored already."


class ObservedInTheFuture(Refused):
    code, title = "in_the_future", "The label was observed in the future"
    detail = "Correct `observed_at`, or the clock of the sender."


class LabelNotFound(NotFound):
    code, title = "label_not_found", "The prediction has no such label"


class FeedbackRepository(MongoService):
    """The feedback of single predictions."""

    def __init__(self, context: MongoContext) -> None:
        super().__init__(context)
        self._feedback = self._database[FEEDBACK]
        self._predictions = self._database[PREDICTIONS]
        self._rules: RetentionRuleCache = context.request.state.retention

    async def put(self, sent_id: UUID | str, label: FeedbackWrite) -> JsonResource:
        """Add an observation, unless it is stored already, in one atomic write.

        A key that is bound to models may label their predictions. Its label of one that is not
        stored yet counts if the prediction is of one of these models.

        Raises:
            ObservedInTheFuture: ``observed_at`` is more than an hour ahead of the server's clock.
            PredictionNotFound: the caller's key is bound to other models.
            PredictionExpired: the prediction has expired.
            TooManyRevisions: the history is full, and the observation is new.
        """
        received_at = now()
        future = future_violation("observed_at", label.observed_at, received_at)
        if future is not None:
            raise ObservedInTheFuture(errors=[future])
        target = await self._find_target(to_uuid(sent_id))
        observation = label.to_observation(received_at)
        document = await self._add(target, observation)
        shown = feedback_to_dict(document, pending=target.pending, prediction_id=sent_id)
        return JsonResource(str(document["version"]), encode_json(shown).decode())

    async def withdraw(self, sent_id: UUID | str, query: WithdrawalQuery) -> None:
        """Take back the label that was observed last, or the last of those that the query names.

        One that was withdrawn already is found too, so that a retry withdraws no other.

        Raises:
            LabelNotFound: there is none.
            PredictionNotFound, PredictionExpired, TooManyRevisions: as :meth:`put`.
        """
        target = await self._find_target(to_uuid(sent_id))
        document = await self._feedback.find_one({"_id": target.document_id}) or {"history": []}
        labels = [step for step in document["history"] if query.matches(step)]
        if not labels:
            raise LabelNotFound
        named = {name: labels[-1][name] for name in ("observed_at", "source", "label")}
        await self._add(target, {"withdrawn": True, **named, "received_at": now()})

    async def _find_target(self, prediction_id: UUID) -> "_Target":
        """Return the document that has the labels, once early ones have been moved there."""
        prediction = await self._predictions.find_one(
            {"_id": prediction_id}, {"model": 1, "expires_at": 1}
        )
        if prediction is not None and not self._caller.may_use(prediction["model"]):
            raise PredictionNotFound
        expires_at = (await self._rules.get()).label_expiry(prediction_id, prediction)
        bound: Document = {}
        if prediction is not None:
            for early in await find_early(self._feedback, {prediction_id: prediction}):
                await adopt(self._feedback, early, expires_at)
        elif self._caller.models is not None:
            bound = binding_of(prediction_id, self._caller.models)
        return _Target(bound.get("_id", prediction_id), bound, expires_at, prediction is None)

    async def _add(self, target: "_Target", step: Document) -> Document:
        """Add a step to the history; return the document with it."""
        document: Document = await self._feedback.find_one_and_update(
            {"_id": target.document_id},
            [*merge_update([step], target.bound), expiry_update(target.expires_at)],
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        if merge(document["history"], [step])[1] == ["full"]:
            raise TooManyRevisions
        return document


class _Target(NamedTuple):
    """The document of the labels, the fields of ``binding_of``, and its expiry; None is never."""

    document_id: UUID
    bound: Document
    expires_at: datetime | None
    pending: bool


Feedback = Annotated[FeedbackRepository, Depends(FeedbackRepository.from_request)]
