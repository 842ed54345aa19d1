"""Labels in MongoDB, many at once: two reads and one bulk write for a thousand predictions.

What a batch did to each prediction has to be told exactly, and a bulk write gives no documents
back. So the histories are read and merged here, and each is replaced only if it is still as it was
read. Where it is not, the replacement becomes an insert, which the primary key refuses, and that
the server does tell one by one: those are read and merged again. The last few, and histories too
long to be fetched by the thousand, MongoDB merges itself, one by one, and gives back what it was.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from pymongo import InsertOne, ReplaceOne, ReturnDocument
from pymongo.errors import BulkWriteError, DuplicateKeyError

from service.auth.caller import CurrentCaller
from service.core.errors import OutcomeUnknown, QueryTooSlow, Unavailable
from service.documents.predictions.documents import FEEDBACK, PREDICTIONS
from service.documents.predictions.errors import PredictionNotFound
from service.documents.predictions.ingest.writer import DUPLICATE_KEY
from service.documents.predictions.labels.feedback import expiring
from service.documents.predictions.labels.history import (
    Change,
    document_of,
    merged,
    with_observations,
)
from service.documents.retention.rule_cache import RulesHere
from service.documents.retention.rules import Rules
from service.stores.mongo.client import Document, MongoStoreDep
from service.web.context import provided


class Told(NamedTuple):
    """What is said of one prediction, and when that goes; None is never."""

    observations: list[Document]
    expires_at: datetime | None = None


AllTold = Mapping[UUID, Told]
Changes = dict[UUID, list[Change]]
_Write = InsertOne[Document] | ReplaceOne[Document]
_Stored = tuple[list[Document] | None, datetime | None]
ROUNDS, FEW = 4, 16
LONGEST_FETCHED = 32
SINGLES_AT_ONCE = 4
_HISTORY = {"$cond": [{"$lte": [{"$size": "$history"}, LONGEST_FETCHED]}, "$history", None]}


class LabelLog:
    """Where labels are written, each call in a place and a deadline of its own."""

    def __init__(self, mongo: MongoStoreDep, caller: CurrentCaller, rules: RulesHere) -> None:
        self._mongo, self._caller, self.rules = mongo, caller, rules
        database = mongo.database
        self._feedback, self._predictions = database[FEEDBACK], database[PREDICTIONS]

    async def known(self, ids: Collection[UUID]) -> dict[UUID, Document]:
        """The predictions that have arrived, as far as labels ask: model and ``expires_at``."""
        where = {"_id": {"$in": list(ids)}}
        found = await self._mongo.call(
            lambda: self._predictions.find(where, {"model": 1, "expires_at": 1}).to_list(None),
            writes=False,
        )
        return {each["_id"]: each for each in found}

    def expiry(
        self, prediction_id: UUID, prediction: Document | None, rules: Rules
    ) -> datetime | None:
        """When a label of it goes; None is never.

        Raises:
            PredictionNotFound: it is none of the caller's business.
            PredictionExpired: it was there, or would have gone already.
        """
        if prediction is not None and not self._caller.may_use(prediction["model"]):
            raise PredictionNotFound
        return rules.label_expiry(prediction_id, prediction)

    async def add_all(self, told: AllTold) -> Changes:
        """Adds observations, all received at one time; what each did to its prediction's history.

        Raises:
            Unavailable: MongoDB is down, hangs or is busy, and nothing was written.
            OutcomeUnknown: some may be written; sending all of them again is safe.
        """
        changes: Changes = {}
        left = told
        try:
            for _ in range(ROUNDS):
                done, lost = await self._at_once(left)
                changes |= done
                left = {each: told[each] for each in lost}
                if len(left) <= FEW:
                    break
            await self._one_by_one(told, changes)
        except (Unavailable, QueryTooSlow) as refusal:
            if changes:
                raise OutcomeUnknown from refusal
            raise
        return changes

    async def _at_once(self, told: AllTold) -> tuple[Changes, list[UUID]]:
        """Merges and writes; the changes, and those that somebody else changed in between."""
        stored = await self._mongo.call(lambda: self._histories(told), writes=False)
        changes: Changes = {}
        writes: dict[UUID, _Write] = {}
        for prediction_id, (observations, expires_at) in told.items():
            history, goes_at = stored.get(prediction_id, ([], None))
            if history is None:
                continue
            after, changes[prediction_id] = merged(history, observations)
            if (after, expires_at) != (history, goes_at):  # it may have been here before its event
                writes[prediction_id] = _write(prediction_id, history, after, expires_at)
        if not writes:
            return changes, []
        lost = await self._mongo.call(lambda: self._bulk(writes), writes=True)
        for each in lost:
            del changes[each]
        return changes, lost

    async def _histories(self, ids: Iterable[UUID]) -> dict[UUID, _Stored]:
        """The histories there are, and when each goes; None for one too long to be fetched."""
        where, wanted = {"_id": {"$in": list(ids)}}, {"history": _HISTORY, "expires_at": 1}
        found = await self._feedback.find(where, wanted).to_list(None)
        return {each["_id"]: (each["history"], each.get("expires_at")) for each in found}

    async def _bulk(self, writes: Mapping[UUID, _Write]) -> list[UUID]:
        """Those that somebody else had changed; nothing was done to them."""
        try:
            await self._feedback.bulk_write([*writes.values()], ordered=False)
        except BulkWriteError as error:
            failed = error.details["writeErrors"]
            strange = any(each["code"] != DUPLICATE_KEY for each in failed)
            if strange or error.details["writeConcernErrors"]:
                raise OutcomeUnknown from error
            ids = list(writes)
            return [ids[each["index"]] for each in failed]
        return []

    async def _one_by_one(self, told: AllTold, changes: Changes) -> None:
        """The rest, a few at a time; what was changed is noted at once, whatever comes after."""
        left = [each for each in told if each not in changes]
        for start in range(0, len(left), SINGLES_AT_ONCE):
            some = left[start : start + SINGLES_AT_ONCE]
            adding = (self._add(each, told[each]) for each in some)
            done = await asyncio.gather(*adding, return_exceptions=True)
            for each, change in zip(some, done, strict=True):
                if isinstance(change, list):
                    changes[each] = change
            for change in done:
                if isinstance(change, BaseException):
                    raise change

    async def _add(self, prediction_id: UUID, told: Told) -> list[Change]:
        before = await self._mongo.call(lambda: self._merge_there(prediction_id, told), writes=True)
        return merged(before, told.observations)[1]

    async def _merge_there(self, prediction_id: UUID, told: Told) -> list[Document]:
        """Merges in MongoDB; the history as it was."""
        update: dict[str, Any] = {
            "update": [*with_observations(told.observations), expiring(told.expires_at)],
            "projection": {"history": 1},
            "upsert": True,
            "return_document": ReturnDocument.BEFORE,
        }
        try:
            found = await self._feedback.find_one_and_update({"_id": prediction_id}, **update)
        except DuplicateKeyError:  # two made the first one at the same moment; now there is one
            found = await self._feedback.find_one_and_update({"_id": prediction_id}, **update)
        history: list[Document] = (found or {}).get("history", [])
        return history


def _write(
    prediction_id: UUID,
    before: list[Document],
    after: list[Document],
    expires_at: datetime | None,
) -> _Write:
    document = document_of(prediction_id, after)
    if expires_at is not None:
        document["expires_at"] = expires_at
    if not before:
        return InsertOne(document)
    return ReplaceOne({"_id": prediction_id, "history": before}, document, upsert=True)


Labels = Annotated[LabelLog, provided(LabelLog)]
