"""Halves in MongoDB: a request or a response whose partner may come later, or never.

One document a pair. A half is put into it with one atomic update, of which the first wins; so of
two that come at the same moment at least one sees both, and if the service dies in between, the
document says that it is whole and whoever comes next finishes it. What has become events is kept
for another day, without its data, so that what is sent again is known.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from msgspec import Struct
from pymongo import ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from service.auth.caller import CurrentCaller
from service.core.errors import Conflict, FieldError, OutcomeUnknown, Refused
from service.documents.predictions.cloudevents.pairing import Half
from service.documents.predictions.cloudevents.schemas import HalfQuery, HalfRead
from service.documents.predictions.documents import PENDING_PAIRS
from service.documents.predictions.errors import check_model
from service.documents.predictions.ingest.writer import DUPLICATE_KEY
from service.stores.mongo.client import Document, MongoDatabase, MongoStoreDep, now
from service.stores.mongo.documents import as_filter, mongo_page
from service.web.context import provided
from service.web.pagination import Page, Paging

WAITS, KNOWN = timedelta(days=7), timedelta(days=1)
OLD_ENOUGH, MOST_FINISHED = timedelta(seconds=5), 20
TRIES = 3
_BOTH = {"$and": [{"$ne": [{"$type": f"${side}"}, "missing"]} for side in ("request", "response")]}
_STATE = {
    "$switch": {
        "branches": [
            {"case": {"$in": ["$state", ["logged", "refused"]]}, "then": "$state"},
            {"case": _BOTH, "then": "whole"},
        ],
        "default": "waiting",
    }
}
_UNREAD = {"request.data": 0, "response.data": 0}
_FIELDS = {name: name for name in ("model", "state")}


class HalfConflict(Conflict):
    code, title = "half_conflict", "Another request or response came under this id"
    detail = "The first one is kept. An id belongs to one request and its response."
    pointer = "/id"


class PairRefused(Refused):
    code, title = "pair_refused", "Request and response make no event together"
    detail = "Both are kept for a week: GET /v1/predictions/halves?state=refused."


class Settled(Struct):
    """What became of a pair."""

    pair_id: UUID
    rows: int
    code: str
    refusal: FieldError | None = None


class HalfStore:
    """Where halves wait, each call in a place and a deadline of its own, as in the log itself."""

    def __init__(self, mongo: MongoStoreDep) -> None:
        self._mongo, self._halves = mongo, mongo.database[PENDING_PAIRS]

    async def put(self, halves: Sequence[Half]) -> dict[UUID, Document]:
        """Keeps each half whose place is free, durably; the pairs as they are then.

        Of several they come without data, which :meth:`with_data` adds.

        Raises:
            Unavailable: MongoDB is down, hangs or is busy; sending all again is safe.
        """

        async def work() -> list[Document]:
            if len(halves) == 1 and (pair := await self._put_one(halves[0])):
                return [pair]
            await self._write([_update(half) for half in halves])
            return await self._read({half.pair_id for half in halves})

        return {pair["_id"]: pair for pair in await self._mongo.call(work, writes=True)}

    async def again(self, ids: Collection[UUID]) -> dict[UUID, Document]:
        """The pairs as they are now, without data."""
        found = await self._mongo.call(lambda: self._read(ids), writes=False)
        return {pair["_id"]: pair for pair in found}

    async def _read(self, ids: Collection[UUID]) -> list[Document]:
        return await self._halves.find({"_id": {"$in": list(ids)}}, _UNREAD).to_list(None)

    async def with_data(self, pairs: Sequence[Document]) -> list[Document]:
        """Those that are whole, with what their halves say."""
        held = [pair for pair in pairs if "data" in pair["request"]]
        bare = [pair["_id"] for pair in pairs if "data" not in pair["request"]]
        if not bare:
            return held
        cursor = self._halves.find({"_id": {"$in": bare}, "state": "whole"})
        return held + await self._mongo.call(lambda: cursor.to_list(None), writes=False)

    async def _put_one(self, half: Half) -> Document | None:
        """In one step; None if somebody else has just made the pair."""
        try:
            return await self._halves.find_one_and_update(
                {"_id": half.pair_id},
                _change(half),
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        except DuplicateKeyError:
            return None

    async def _write(self, updates: list[UpdateOne]) -> None:
        """Of two that insert a pair at the same moment one may be told that it is there already."""
        for _ in range(TRIES):
            updates = await self._collided(updates)
            if not updates:
                return
        raise OutcomeUnknown("Others are writing the same halves; send them again.")

    async def _collided(self, updates: list[UpdateOne]) -> list[UpdateOne]:
        try:
            await self._halves.bulk_write(updates, ordered=False)
        except BulkWriteError as error:
            failed = error.details["writeErrors"]
            unsure = error.details["writeConcernErrors"]
            if unsure or any(one["code"] != DUPLICATE_KEY for one in failed):
                raise OutcomeUnknown("Not all halves are known to be durable.") from error
            return [updates[one["index"]] for one in failed]
        return []

    async def left_whole(self) -> list[Document]:
        """Pairs that are whole for a while and became nothing: somebody died over them."""
        where = {"state": "whole", "received_at": {"$lt": now() - OLD_ENOUGH}}
        cursor = self._halves.find(where, _UNREAD).sort("received_at").limit(MOST_FINISHED)
        return await self._mongo.call(lambda: cursor.to_list(None), writes=False)

    async def settle(self, settled: Sequence[Settled]) -> None:
        """Says what became of whole pairs: as many events, or what they were refused for."""
        updates = [
            UpdateOne({"_id": each.pair_id, "state": "whole"}, _end(each)) for each in settled
        ]
        if updates:
            await self._mongo.call(
                lambda: self._halves.bulk_write(updates, ordered=False), writes=True
            )


def _end(settled: Settled) -> Document:
    if settled.refusal is not None:
        return {"$set": {"state": "refused", "refusal": dict(settled.refusal)}}
    return {
        "$set": {"state": "logged", "rows": settled.rows, "expires_at": now() + KNOWN},
        "$unset": {"request.data": "", "response.data": ""},
    }


def _update(half: Half) -> UpdateOne:
    return UpdateOne({"_id": half.pair_id}, _change(half), upsert=True)


def _change(half: Half) -> list[Document]:
    """An update that puts a half into its place, unless one is there already."""
    received_at = now()
    first = {
        half.side: half.kept,
        "model": half.model,
        "event_id": half.event_id,
        "context": half.context,
        "received_at": received_at,
        "expires_at": received_at + WAITS,
    }
    kept: dict[str, Any] = {
        name: {"$ifNull": [f"${name}", {"$literal": value}]} for name, value in first.items()
    }
    return [{"$set": kept}, {"$set": {"state": _STATE}}]


class HalfRepository:
    """A key that is bound to models sees the halves of those alone."""

    def __init__(self, database: MongoDatabase, paginator: Paging, caller: CurrentCaller) -> None:
        self._halves, self._paginator, self._caller = database[PENDING_PAIRS], paginator, caller

    async def list(self, query: HalfQuery) -> Page[HalfRead]:
        check_model(self._caller, query.model)
        where = as_filter(query.filters(), _FIELDS)
        return await mongo_page(
            self._halves, where, query, self._paginator, to_schema, projection=_UNREAD
        )


def to_schema(document: Document) -> HalfRead:
    """A pair, or the half that is there, as it travels."""
    return HalfRead(
        pair_id=document["_id"],
        event_id=document["event_id"],
        model=document["model"],
        state=document["state"],
        has=[side for side in ("request", "response") if side in document],
        refusal=document.get("refusal"),
        received_at=document["received_at"],
        expires_at=document["expires_at"],
    )


Halves = Annotated[HalfRepository, provided(HalfRepository)]
HalfLog = Annotated[HalfStore, provided(HalfStore)]
