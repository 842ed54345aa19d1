"""The log as it is written: each event once, and durable before anybody is told."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Request
from pymongo.errors import BulkWriteError, WriteConcernError, WriteError

from service.auth.caller import Caller
from service.core.errors import OutcomeUnknown
from service.documents.predictions.documents import PREDICTIONS
from service.documents.predictions.ingest.group_commit import GroupCommitWriter
from service.documents.retention.rule_cache import CurrentRules
from service.stores.mongo.client import Document, MongoCollection, MongoStore
from service.web.context import provided

Code = Literal["created", "duplicate", "conflict"]
Outcome = Code | Exception
DUPLICATE_KEY = 11000
LOOKS, SECONDS_BETWEEN_LOOKS = 25, 0.02


async def write(mongo: MongoStore, documents: Sequence[Document]) -> list[Outcome]:
    """Writes those that are new, in one go; what became of each, in their order.

    In a place and a deadline of its own: reading, decoding and checking take no time of the store.

    Raises:
        Unavailable: MongoDB is down, hangs or is busy.
        OutcomeUnknown: some may be written; sending all of them again is safe.
    """
    return await mongo.call(lambda: _insert(mongo.database[PREDICTIONS], documents), writes=True)


async def _insert(predictions: MongoCollection, documents: Sequence[Document]) -> list[Outcome]:
    outcomes: list[Outcome] = ["created"] * len(documents)
    failed = await _failed(predictions, documents)
    known = [place for place in failed if failed[place] == DUPLICATE_KEY]
    for place in failed.keys() - known:
        outcomes[place] = OutcomeUnknown("It is not known to be durable; send it again.")
    if known:
        stored = await _stored_hashes(predictions, {documents[place]["_id"] for place in known})
        for place in known:
            one = documents[place]
            outcomes[place] = "duplicate" if stored[one["_id"]] == one["hash"] else "conflict"
    return outcomes


async def _failed(
    predictions: MongoCollection, documents: Sequence[Document]
) -> dict[int, int | None]:
    """Writes; the codes of those that were not written, by their place."""
    try:
        if len(documents) == 1:  # less work for the driver, which a lone client waits for
            await predictions.insert_one(documents[0])
        else:
            await predictions.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        if error.details["writeConcernErrors"]:
            raise OutcomeUnknown("Not all are known to be durable; send them again.") from error
        return {one["index"]: one["code"] for one in error.details["writeErrors"]}
    except WriteConcernError as error:
        raise OutcomeUnknown("It is not known to be durable; send it again.") from error
    except WriteError as error:
        return {0: error.code}
    return {}


async def _stored_hashes(predictions: MongoCollection, ids: set[UUID]) -> dict[UUID, bytes]:
    """Waits until each is there for a majority: until then it could still be rolled back."""
    found: dict[UUID, bytes] = {}
    for _ in range(LOOKS):
        missing = list(ids - found.keys())
        cursor = predictions.find({"_id": {"$in": missing}}, {"hash": 1})
        found.update({each["_id"]: each["hash"] for each in await cursor.to_list(None)})
        if len(found) == len(ids):
            return found
        await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
    raise OutcomeUnknown("An event with this id is just being written; send it again.")


class SharedWriter(GroupCommitWriter[Document, Code]):
    """The single events of all requests of this process, in shared inserts."""

    def __init__(self, mongo: MongoStore) -> None:
        super().__init__(partial(write, mongo))


class PredictionWriter:
    """The log for one caller, who knows what a key that is bound to models may log."""

    def __init__(
        self,
        mongo: MongoStore,
        caller: Caller,
        shared_writer: SharedWriter,
        retention: CurrentRules,
    ) -> None:
        self._mongo, self.caller, self.shared_writer = mongo, caller, shared_writer
        self.retention = retention

    async def insert(self, document: Document) -> Code:
        """Writes one event along with those of others; what became of it.

        Raises:
            Unavailable, OutcomeUnknown: as of :func:`write`.
        """
        return await self.shared_writer.submit(document)

    async def insert_all(self, documents: Sequence[Document]) -> list[Code]:
        """Writes all in one go; what became of each. Raises what :func:`write` does."""
        if len(documents) == 1:
            return [await self.insert(documents[0])]
        outcomes = await write(self._mongo, documents) if documents else []
        codes: list[Code] = []
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
            codes.append(outcome)
        return codes


def writer_for(request: Request) -> PredictionWriter:
    """The log for who sent this request."""
    state = request.state
    return PredictionWriter(state.mongo, state.caller, state.shared_writer, state.retention)


Log = Annotated[PredictionWriter, provided(writer_for)]
