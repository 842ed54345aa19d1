"""Feedback in MongoDB: the true label of one prediction, and its history.

Feedback is stored beside the event, because the event is immutable and the label may arrive first.
``history.py`` merges repeated and late labels.
"""

from typing import Annotated
from uuid import UUID

from fastapi import Depends
from pymongo import ReturnDocument

from service.core.errors import Conflict
from service.documents.predictions.documents import FEEDBACK, PREDICTIONS
from service.documents.predictions.errors import PredictionNotFound
from service.documents.predictions.labels.early_labels import adopt, expiry_update, find_early
from service.documents.predictions.labels.history import (
    MAX_REVISIONS,
    merge,
    merge_update,
    normalize,
)
from service.documents.predictions.labels.schemas import FeedbackWrite
from service.documents.predictions.reading.encoding import feedback_to_schema
from service.documents.predictions.reading.feedback import binding_of
from service.documents.predictions.reading.schemas import FeedbackRead
from service.documents.retention.rule_cache import RetentionRuleCache
from service.stores.mongo.client import Document, now
from service.stores.mongo.context import MongoContext, MongoService


class TooManyRevisions(Conflict):
    code, title = "too_many_revisions", f"This prediction has {MAX_REVISIONS} labels already"
    detail = "Send only labels that are stored already."


class FeedbackRepository(MongoService):
    """The feedback of single predictions."""

    def __init__(self, context: MongoContext) -> None:
        super().__init__(context)
        self._feedback = self._database[FEEDBACK]
        self._predictions = self._database[PREDICTIONS]
        self._rules: RetentionRuleCache = context.request.state.retention

    async def put(self, prediction_id: UUID, label: FeedbackWrite) -> FeedbackRead:
        """Add an observation, unless it is stored already, in one atomic write.

        A key that is bound to models may label their predictions. Its label of one that is not
        stored yet counts if the prediction is of one of these models.

        Raises:
            PredictionNotFound: the caller's key is bound to other models.
            PredictionExpired: the prediction has expired.
            TooManyRevisions: the history is full, and the observation is new.
        """
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
        observation = {**label.model_dump(), "label": normalize(label.label), "received_at": now()}
        document = await self._feedback.find_one_and_update(
            {"_id": bound.get("_id", prediction_id)},
            [*merge_update([observation], bound), expiry_update(expires_at)],
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        if merge(document["history"], [observation])[1] == ["full"]:
            raise TooManyRevisions
        return feedback_to_schema(document, pending=prediction is None)


Feedback = Annotated[FeedbackRepository, Depends(FeedbackRepository.from_request)]
