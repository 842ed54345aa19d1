"""Pairs of inference messages in MongoDB: a request or a response that waits for its partner.

One document is one pair. A message is added with one atomic update, and the first one wins. So of
two messages that arrive at the same moment, at least one update returns both. If the service dies
before the pair becomes events, its state is ``whole`` and a later request finishes it. A logged
pair stays for a day without its data, so that a repeated message is recognised.

A refused message keeps its place until one of its side arrives that can be read. Its pair is
``refused`` until then, as is a pair of two that make no event together.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct
from pymongo import ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from service.core.errors import Conflict, FieldError, NotFound, OutcomeUnknown, Refused
from service.documents.predictions.cloudevents.identity import SIDES, Side
from service.documents.predictions.cloudevents.pairing import InferenceMessage
from service.documents.predictions.documents import PENDING_PAIRS
from service.documents.predictions.ingest.writer import DUPLICATE_KEY
from service.stores.mongo.client import Document, MongoStore, now

PENDING_TTL, LOGGED_TTL = timedelta(days=7), timedelta(days=1)
STUCK_AFTER, MAX_STUCK_PAIRS = timedelta(seconds=5), 20
MAX_TRIES = 3
WITHOUT_DATA = {f"{side}.data": 0 for side in SIDES}
_HAS_BOTH = {"$and": [{"$ne": [{"$type": f"${side}"}, "missing"]} for side in SIDES]}
_REFUSALS = ("refusal", *(f"{side}.refusal" for side in SIDES))
_IS_REFUSED = {"$or": [{"$ne": [{"$type": f"${name}"}, "missing"]} for name in _REFUSALS]}
_STATE = {
    "$switch": {
        "branches": [
            {"case": {"$eq": ["$state", "logged"]}, "then": "logged"},
            {"case": _IS_REFUSED, "then": "refused"},
            {"case": _HAS_BOTH, "then": "whole"},
        ],
        "default": "waiting",
    }
}


class MessageConflict(Conflict):
    code, title = "half_conflict", "Another request or response has this id"
    detail = "Give each request and its response an id of their own. The first one is kept."
    pointer = "/id"


class InvalidPair(Refused):
    code, title = "pair_refused", "Request and response make no event together"
    detail = "Look at GET /v1/predictions/halves?state=refused, where both are kept for a week."


class PairNotFound(NotFound):
    code, title = "pair_not_found", "The pair does not exist"


class PairOutcome(Struct):
    """The result of finishing one pair: how many events it became, or the error."""

    pair_id: UUID
    rows: int
    code: str
    error: FieldError | None = None


class PendingStore:
    """The stored pairs; each call has a connection and a deadline of its own, as in the log."""

    def __init__(self, store: MongoStore) -> None:
        self._store, self._pairs = store, store.database[PENDING_PAIRS]

    async def add(self, messages: Sequence[InferenceMessage]) -> dict[UUID, Document]:
        """Store each message that is the first of its side; return the pairs afterwards, by id.

        Pairs of several messages come without data, which :meth:`load_data` adds.

        Raises:
            Unavailable: MongoDB is down, hangs or is busy; sending all again is safe.
        """

        async def work() -> list[Document]:
            if len(messages) == 1 and (pair := await self._add_one(messages[0])):
                return [pair]
            await self._add_bulk([_upsert(message) for message in messages])
            return await self._find({message.pair_id for message in messages})

        return {pair["_id"]: pair for pair in await self._store.call(work, writes=True)}

    async def get(self, ids: Collection[UUID]) -> dict[UUID, Document]:
        """Return the pairs with these ids as they are now, without data."""
        pairs = await self._store.call(lambda: self._find(ids), writes=False)
        return {pair["_id"]: pair for pair in pairs}

    async def _find(self, ids: Collection[UUID]) -> list[Document]:
        return await self._pairs.find({"_id": {"$in": list(ids)}}, WITHOUT_DATA).to_list(None)

    async def load_data(self, pairs: Sequence[Document]) -> list[Document]:
        """Return the pairs that are still whole, with the data of both messages."""
        loaded = [pair for pair in pairs if "data" in pair["request"]]
        ids = [pair["_id"] for pair in pairs if "data" not in pair["request"]]
        if not ids:
            return loaded
        cursor = self._pairs.find({"_id": {"$in": ids}, "state": "whole"})
        return loaded + await self._store.call(lambda: cursor.to_list(None), writes=False)

    async def reopen(self, pair_id: UUID) -> Document | None:
        """Return a refused pair with its data, whole again unless a message of it is refused."""
        update: list[Document] = [{"$unset": "refusal"}, {"$set": {"state": _STATE}}]
        return await self._store.call(
            lambda: self._pairs.find_one_and_update(
                {"_id": pair_id, "state": "refused"}, update, return_document=ReturnDocument.AFTER
            ),
            writes=True,
        )

    async def remove(self, pair_id: UUID, hashes: Mapping[Side, bytes]) -> None:
        """Remove a refused pair that has these messages alone, stored under another id."""
        where: Document = {"_id": pair_id, "state": "refused"}
        for side in SIDES:
            is_moved = side in hashes
            where |= {f"{side}.hash": hashes[side]} if is_moved else {side: {"$exists": False}}
        await self._store.call(lambda: self._pairs.delete_one(where), writes=True)

    async def refused_ids(self, model: str | None, after: UUID | None, limit: int) -> list[UUID]:
        """Return the ids of refused pairs beyond ``after``, in their order."""
        where: Document = {"state": "refused"}
        if model is not None:
            where["model"] = model
        if after is not None:
            where["_id"] = {"$gt": after}
        cursor = self._pairs.find(where, {"_id": 1}).sort("_id").limit(limit)
        pairs = await self._store.call(lambda: cursor.to_list(None), writes=False)
        return [pair["_id"] for pair in pairs]

    async def stuck_pairs(self) -> list[Document]:
        """Return complete pairs that no worker turned into events, because it was killed."""
        where = {"state": "whole", "received_at": {"$lt": now() - STUCK_AFTER}}
        cursor = self._pairs.find(where, WITHOUT_DATA).sort("received_at").limit(MAX_STUCK_PAIRS)
        return await self._store.call(lambda: cursor.to_list(None), writes=False)

    async def finish(self, outcomes: Sequence[PairOutcome]) -> None:
        """Store the outcomes of pairs that are still whole."""
        updates = [
            UpdateOne({"_id": outcome.pair_id, "state": "whole"}, _finishing_update(outcome))
            for outcome in outcomes
        ]
        if updates:
            await self._store.call(
                lambda: self._pairs.bulk_write(updates, ordered=False), writes=True
            )

    async def _add_one(self, message: InferenceMessage) -> Document | None:
        """Add in one step; return None if another request has just inserted the pair."""
        try:
            return await self._pairs.find_one_and_update(
                {"_id": message.pair_id},
                _adding_update(message),
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        except DuplicateKeyError:
            return None

    async def _add_bulk(self, updates: list[UpdateOne]) -> None:
        """Write until no update fails, because two inserts of one pair can collide."""
        for _ in range(MAX_TRIES):
            updates = await self._collided(updates)
            if not updates:
                return
        raise OutcomeUnknown("Send them again: other requests are writing the same pairs.")

    async def _collided(self, updates: list[UpdateOne]) -> list[UpdateOne]:
        """Write, and return the updates that failed with a duplicate key."""
        try:
            await self._pairs.bulk_write(updates, ordered=False)
        except BulkWriteError as error:
            failed = error.details["writeErrors"]
            is_unsure = error.details["writeConcernErrors"]
            if is_unsure or any(failure["code"] != DUPLICATE_KEY for failure in failed):
                raise OutcomeUnknown("Send them again: not all may be durable.") from error
            return [updates[failure["index"]] for failure in failed]
        return []


def _upsert(message: InferenceMessage) -> UpdateOne:
    return UpdateOne({"_id": message.pair_id}, _adding_update(message), upsert=True)


def _adding_update(message: InferenceMessage) -> list[Document]:
    """Return the update that stores a message, unless its side is stored already.

    A refused message gives way to one that can be read, and to itself with another reason.
    """
    received_at = now()
    fields = {
        "model": message.model,
        "event_id": message.event_id,
        "context": message.context,
        "received_at": received_at,
        "expires_at": received_at + PENDING_TTL,
    }
    first: dict[str, Any] = {
        name: {"$ifNull": [f"${name}", {"$literal": value}]} for name, value in fields.items()
    }
    side, document = f"${message.side}", {"$literal": message.document}
    is_same = {"$eq": [f"{side}.hash", {"$literal": message.document["hash"]}]}
    gives_way = {
        "$and": [
            {"$ne": [{"$type": f"{side}.refusal"}, "missing"]},
            message.refusal is None or is_same,
        ]
    }
    stored = {"$cond": [gives_way, document, {"$ifNull": [side, document]}]}
    return [{"$set": {**first, message.side: stored}}, {"$set": {"state": _STATE}}]


def refusal_of(pair: Document) -> FieldError | None:
    """Return why a pair makes no event: the two together, or the first that cannot be read."""
    reasons = (pair.get("refusal"), *(pair.get(side, {}).get("refusal") for side in SIDES))
    return next(filter(None, reasons), None)


def _finishing_update(outcome: PairOutcome) -> Document:
    if outcome.error is not None:
        return {"$set": {"state": "refused", "refusal": dict(outcome.error)}}
    return {
        "$set": {"state": "logged", "rows": outcome.rows, "expires_at": now() + LOGGED_TTL},
        "$unset": dict.fromkeys(WITHOUT_DATA, ""),
    }
