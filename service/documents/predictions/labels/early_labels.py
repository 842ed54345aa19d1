"""Labels that a key bound to models sent before the prediction, once the prediction is stored."""

from collections.abc import Mapping
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from uuid import UUID

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from service.documents.predictions.labels.history import merge_update
from service.documents.predictions.reading.feedback import (
    belongs_to,
    observation_key,
    prediction_id_of,
)
from service.stores.mongo.client import Document, MongoCollection


async def find_early(
    feedback: MongoCollection, predictions: Mapping[UUID, Document]
) -> list[Document]:
    """Return the early labels that belong to stored predictions, without their histories."""
    where = {"prediction_id": {"$in": list(predictions)}}
    found = await feedback.find(where, {"prediction_id": 1, "models": 1}).to_list(None)
    return [early for early in found if belongs_to(early, _model(early, predictions))]


def _model(early: Document, predictions: Mapping[UUID, Document]) -> str:
    model: str = predictions[prediction_id_of(early)]["model"]
    return model


async def adopt(feedback: MongoCollection, early: Document, expires_at: datetime | None) -> None:
    """Move early labels to the others of their prediction.

    They stay where they are if they changed meanwhile, or if the others leave no room.
    """
    document = await feedback.find_one({"_id": early["_id"]})
    if document is None:  # another request has moved them
        return
    known = set()
    received = itemgetter("received_at")
    for _, group in groupby(sorted(document["history"], key=received), received):
        after = await _merge(feedback, document["prediction_id"], [*group], expires_at)
        known = {observation_key(item) for item in after["history"]}
    if known.issuperset(map(observation_key, document["history"])):
        await feedback.delete_one({"_id": early["_id"], "history": document["history"]})


async def _merge(
    feedback: MongoCollection,
    prediction_id: UUID,
    observations: list[Document],
    expires_at: datetime | None,
) -> Document:
    update = [*merge_update(observations), expiry_update(expires_at)]
    where, after = {"_id": prediction_id}, ReturnDocument.AFTER
    try:
        return await feedback.find_one_and_update(where, update, upsert=True, return_document=after)
    except DuplicateKeyError:  # two requests inserted it at once, so now it is stored
        return await feedback.find_one_and_update(where, update, upsert=True, return_document=after)


def expiry_update(expires_at: datetime | None) -> Document:
    """Return the stage of an update that sets when a document expires; None is never."""
    return {"$unset": "expires_at"} if expires_at is None else {"$set": {"expires_at": expires_at}}
