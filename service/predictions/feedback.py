"""Feedback in MongoDB: what turned out to be true, with all that was ever said of it.

One document per prediction, beside the event and not in it, because the event is immutable and the
truth may arrive first. The history is a set ordered by when it was observed, so that neither the
order nor the repetition of delivery matters.
"""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pymongo import ReturnDocument

from service.access.caller import CurrentCaller
from service.errors import Conflict
from service.mongo import Document, MongoDatabase, now
from service.predictions.documents import FEEDBACK, PREDICTIONS, read_feedback
from service.predictions.repository import PredictionNotFound
from service.predictions.schemas import FeedbackRead, FeedbackWrite
from service.provide import provided
from service.retention.current import RulesHere

MOST_REVISIONS = 1000
_SAID = ("observed_at", "source", "label")


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
        document = await self._feedback.find_one_and_update(
            {"_id": prediction_id},
            [
                *_with_observation({**told.model_dump(), "received_at": now()}),
                expiring(expires_at),
            ],
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        if not any(_said(seen) == _said(told.model_dump()) for seen in document["history"]):
            raise TooManyRevisions
        return read_feedback(document, pending=known is None)


def expiring(expires_at: datetime | None) -> Document:
    """The part of an update that says when a document goes; None is never."""
    return {"$unset": "expires_at"} if expires_at is None else {"$set": {"expires_at": expires_at}}


def _said(observation: Document) -> list[Any]:
    return [observation[name] for name in _SAID]


def _with_observation(observation: Document) -> list[Document]:
    """An update that puts it into ``history`` at its place, if it is new and there is room.

    BSON orders arrays element by element, so that the order is that of ``_SAID``.
    """
    literal = {name: {"$literal": value} for name, value in observation.items()}
    history: dict[str, Any] = {"$ifNull": ["$history", []]}
    seen, here = [f"$$seen.{name}" for name in _SAID], [literal[name] for name in _SAID]
    before = _those(history, {"$lt": [seen, here]})
    same = _those(history, {"$eq": [seen, here]})
    after = _those(history, {"$gt": [seen, here]})
    refused = {"$or": [{"$ne": [same, []]}, {"$gte": [{"$size": history}, MOST_REVISIONS]}]}
    inserted = {"$concatArrays": [before, [literal], after]}
    return [
        {"$set": {"history": {"$cond": [refused, history, inserted]}}},
        {"$set": {"latest": {"$last": "$history"}, "version": {"$size": "$history"}}},
    ]


def _those(history: Document, condition: Document) -> Document:
    return {"$filter": {"input": history, "as": "seen", "cond": condition}}


Feedback = Annotated[FeedbackRepository, provided(FeedbackRepository)]
