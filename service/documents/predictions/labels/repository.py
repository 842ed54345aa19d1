"""Labels in MongoDB, many at once: two reads and one bulk write for a thousand predictions.

The response reports the exact change of each label, but a bulk write returns no documents. So the
histories are read and merged here, and each is replaced only if it is still as it was read. If it
is not, the replacement becomes an insert, which fails with a duplicate key. The server reports
these failures one by one, and the labels are read and merged again.

MongoDB merges the last few by itself, and histories too long to be fetched by the thousand. These
updates go one by one and return the history as it was.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from datetime import datetime
from functools import partial
from time import monotonic
from typing import Annotated, Any, NamedTuple, TypeVar
from uuid import UUID

from fastapi import Depends
from pymongo import InsertOne, ReplaceOne, ReturnDocument
from pymongo.errors import BulkWriteError, DuplicateKeyError

from service.core.cooperative import Slices
from service.core.errors import OutcomeUnknown, QueryTooSlow, Unavailable
from service.documents.predictions.documents import FEEDBACK, PREDICTIONS
from service.documents.predictions.errors import PredictionNotFound
from service.documents.predictions.ingest.writer import DUPLICATE_KEY
from service.documents.predictions.labels.early_labels import adopt, expiry_update, find_early
from service.documents.predictions.labels.history import Change, merge, merge_update
from service.documents.predictions.reading.feedback import (
    binding_of,
    prediction_id_of,
    to_document,
)
from service.documents.retention.rule_cache import RetentionRuleCache
from service.documents.retention.rules import Rules
from service.stores.mongo.client import Document
from service.stores.mongo.context import MongoContext, MongoService

T = TypeVar("T")


class LabelUpdate(NamedTuple):
    """The new observations of one prediction, and when its labels expire; None is never.

    ``bound`` are the fields of ``binding_of``, if a bound key sends them before the prediction.
    """

    observations: list[Document]
    expires_at: datetime | None = None
    bound: Document = {}

    def document_id(self, prediction_id: UUID) -> UUID:
        """Return the ``_id`` of the document that gets them."""
        document_id: UUID = self.bound.get("_id") or prediction_id
        return document_id


LabelUpdates = Mapping[UUID, LabelUpdate]  # by the prediction's id
Changes = dict[UUID, list[Change]]
_Write = InsertOne[Document] | ReplaceOne[Document]
_Stored = tuple[list[Document] | None, datetime | None]
MAX_BULK_ROUNDS, MAX_LEFT_FOR_SINGLE = 4, 16
MAX_FETCHED_HISTORY, MAX_FETCHED_BYTES = 32, 16_384
MAX_CONCURRENT_UPDATES = 4
_IS_SHORT = {
    "$and": [
        {"$lte": [{"$size": "$history"}, MAX_FETCHED_HISTORY]},
        {"$lte": [{"$bsonSize": "$$ROOT"}, MAX_FETCHED_BYTES]},
    ]
}
_HISTORY = {"$cond": [_IS_SHORT, "$history", None]}


class LabelRepository(MongoService):
    """The labels of many predictions; each call has a connection of its own.

    Reads and bulk writes share one deadline, so that a request ends in time although MongoDB hangs
    between two of them. Each of the single updates has its own, because a thousand take longer.
    """

    def __init__(self, context: MongoContext) -> None:
        super().__init__(context)
        self._store = context.store
        self._feedback = self._database[FEEDBACK]
        self._predictions = self._database[PREDICTIONS]
        self.rules: RetentionRuleCache = context.request.state.retention
        self._began: float | None = None  # of monotonic()

    async def _call(self, work: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        if self._began is None:
            self._began = monotonic()
        return await self._store.call(work, writes=writes, spent=monotonic() - self._began)

    async def find_predictions(self, ids: Collection[UUID]) -> dict[UUID, Document]:
        """Return model and ``expires_at`` of the predictions that are stored, by id."""
        where = {"_id": {"$in": list(ids)}}
        predictions = await self._call(
            lambda: self._predictions.find(where, {"model": 1, "expires_at": 1}).to_list(None),
            writes=False,
        )
        return {prediction["_id"]: prediction for prediction in predictions}

    def expiry(
        self, prediction_id: UUID, prediction: Document | None, rules: Rules
    ) -> datetime | None:
        """Return when a label of this prediction expires; None is never.

        Raises:
            PredictionNotFound: the caller's key is bound to other models.
            PredictionExpired: the prediction has expired, or would have by now.
        """
        if prediction is not None and not self._caller.may_use(prediction["model"]):
            raise PredictionNotFound
        return rules.label_expiry(prediction_id, prediction)

    def binding(self, prediction_id: UUID, prediction: Document | None) -> Document:
        """Return the fields of a document of early labels; none for other labels."""
        if prediction is not None or self._caller.models is None:
            return {}
        return binding_of(prediction_id, self._caller.models)

    async def adopt_early(self, predictions: Mapping[UUID, Document]) -> None:
        """Move early labels of bound keys to the others of their stored predictions."""
        found = await self._call(lambda: find_early(self._feedback, predictions), writes=False)
        for early in found:
            expires_at = predictions[prediction_id_of(early)].get("expires_at")
            await self._call(partial(adopt, self._feedback, early, expires_at), writes=True)

    async def apply(self, updates: LabelUpdates) -> Changes:
        """Add observations, all received at one time; return the change that each of them made.

        Raises:
            Unavailable: MongoDB is down, hangs or is busy, and nothing was written.
            OutcomeUnknown: some may be written; sending all of them again is safe.
        """
        changes: Changes = {}
        left = updates
        try:
            for _ in range(MAX_BULK_ROUNDS):
                merged, lost = await self._merge_bulk(left)
                changes |= merged
                left = {prediction_id: updates[prediction_id] for prediction_id in lost}
                if len(left) <= MAX_LEFT_FOR_SINGLE:
                    break
            await self._merge_single(updates, changes)
        except (Unavailable, QueryTooSlow) as error:
            if changes:
                raise OutcomeUnknown from error
            raise
        return changes

    async def _merge_bulk(self, updates: LabelUpdates) -> tuple[Changes, list[UUID]]:
        """Merge and write; return the changes, and the ids that lost to a concurrent write."""
        ids = {update.document_id(key): key for key, update in updates.items()}
        stored = await self._call(lambda: self._histories(ids), writes=False)
        changes: Changes = {}
        writes: dict[UUID, _Write] = {}
        slices = Slices()
        for document_id, prediction_id in ids.items():
            await slices.end()
            observations, expires_at, bound = updates[prediction_id]
            history, stored_expiry = stored.get(document_id, ([], None))
            if history is None:
                continue
            after, changes[prediction_id] = merge(history, observations)
            # The expiry differs if the label was stored before its prediction.
            if (after, expires_at) != (history, stored_expiry):
                document = {**to_document(document_id, after), **bound}
                writes[prediction_id] = _write(document, history, expires_at)
        if not writes:
            return changes, []
        lost = await self._call(lambda: self._write_bulk(writes), writes=True)
        for prediction_id in lost:
            del changes[prediction_id]
        return changes, lost

    async def _histories(self, ids: Iterable[UUID]) -> dict[UUID, _Stored]:
        """Return the stored histories with their expiry; None for one too long to be fetched."""
        where, fields = {"_id": {"$in": list(ids)}}, {"history": _HISTORY, "expires_at": 1}
        documents = await self._feedback.find(where, fields).to_list(None)
        return {item["_id"]: (item["history"], item.get("expires_at")) for item in documents}

    async def _write_bulk(self, writes: Mapping[UUID, _Write]) -> list[UUID]:
        """Write; return the ids that lost to a concurrent write and are unchanged."""
        try:
            await self._feedback.bulk_write([*writes.values()], ordered=False)
        except BulkWriteError as error:
            failed = error.details["writeErrors"]
            is_unforeseen = any(failure["code"] != DUPLICATE_KEY for failure in failed)
            if is_unforeseen or error.details["writeConcernErrors"]:
                raise OutcomeUnknown from error
            ids = list(writes)
            return [ids[failure["index"]] for failure in failed]
        return []

    async def _merge_single(self, updates: LabelUpdates, changes: Changes) -> None:
        """Merge the rest, a few at a time; add each change even if a later one fails."""
        left = [prediction_id for prediction_id in updates if prediction_id not in changes]
        for start in range(0, len(left), MAX_CONCURRENT_UPDATES):
            ids = left[start : start + MAX_CONCURRENT_UPDATES]
            merging = (self._merge_one(key, updates[key]) for key in ids)
            results = await asyncio.gather(*merging, return_exceptions=True)
            for key, result in zip(ids, results, strict=True):
                if isinstance(result, list):
                    changes[key] = result
            for result in results:
                if isinstance(result, BaseException):
                    raise result

    async def _merge_one(self, prediction_id: UUID, update: LabelUpdate) -> list[Change]:
        before = await self._store.call(
            lambda: self._merge_in_mongo(prediction_id, update), writes=True
        )
        return merge(before, update.observations)[1]

    async def _merge_in_mongo(self, prediction_id: UUID, update: LabelUpdate) -> list[Document]:
        """Merge in MongoDB; return the history as it was."""
        where = {"_id": update.document_id(prediction_id)}
        merging = merge_update(update.observations, update.bound)
        options: dict[str, Any] = {
            "update": [*merging, expiry_update(update.expires_at)],
            "projection": {"history": 1},
            "upsert": True,
            "return_document": ReturnDocument.BEFORE,
        }
        try:
            document = await self._feedback.find_one_and_update(where, **options)
        except DuplicateKeyError:  # two requests inserted it at once, so now it is stored
            document = await self._feedback.find_one_and_update(where, **options)
        history: list[Document] = (document or {}).get("history", [])
        return history


def _write(document: Document, before: list[Document], expires_at: datetime | None) -> _Write:
    if expires_at is not None:
        document["expires_at"] = expires_at
    if not before:
        return InsertOne(document)
    return ReplaceOne({"_id": document["_id"], "history": before}, document, upsert=True)


Labels = Annotated[LabelRepository, Depends(LabelRepository.from_request)]
