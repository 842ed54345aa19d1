"""Feedback in MongoDB: what turned out to be true, with all that was ever said of it.

One document per prediction, beside the event and not in it, because the event is immutable and the
truth may arrive first. What is told twice or late, ``history.py`` says.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pymongo import ReturnDocument

from service.auth.caller import CurrentCaller
from service.core.errors import Conflict
from service.documents.predictions.documents import FEEDBACK, PREDICTIONS
from service.documents.predictions.errors import PredictionNotFound
from service.documents.predictions.labels.history import (
    MOST_REVISIONS,
    as_kept,
    merged,
    with_observations,
)
from service.documents.predictions.labels.schemas import FeedbackWrite
from service.documents.predictions.reading.encoding import feedback_to_schema
from service.documents.predictions.reading.schemas import FeedbackRead
from service.documents.retention.rule_cache import RulesHere
from service.stores.mongo.client import Document, MongoDatabase, now
from service.web.context import provided


class TooManyRevisions(Conflict):
    code, title = "too_many_revisions", f"This prediction has {MOST_REVISIONS} labels already"


class FeedbackRepository:
    def __init__(self, database: MongoDatabase, caller: CurrentCaller, rules: RulesHere) -> None:
        self._feedback, self._predictions = database[FEEDBACK], database[PREDICTIONS]
        self._caller, self._rules = caller, rules

    async def put(self, prediction_id: UUID, told: FeedbackWrite) -> FeedbackRead:
        """Adds an observation, unless it is known already; one atomic write.

        A key that is bound to models may speak of theirs, and of what has not arrived yet.
        """
        known = await self._predictions.find_one(
            {"_id": prediction_id}, {"model": 1, "expires_at": 1}
        )
        if known is not None and not self._caller.may_use(known["model"]):
            raise PredictionNotFound
        expires_at = (await self._rules.get()).label_expiry(prediction_id, known)
        observation = {**told.model_dump(), "label": as_kept(told.label), "received_at": now()}
        document = await self._feedback.find_one_and_update(
            {"_id": prediction_id},
            [*with_observations([observation]), expiring(expires_at)],
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        if merged(document["history"], [observation])[1] == ["refused"]:
            raise TooManyRevisions
        return feedback_to_schema(document, pending=known is None)


def expiring(expires_at: datetime | None) -> Document:
    """The part of an update that says when a document goes; None is never."""
    return {"$unset": "expires_at"} if expires_at is None else {"$set": {"expires_at": expires_at}}


Feedback = Annotated[FeedbackRepository, provided(FeedbackRepository)]
