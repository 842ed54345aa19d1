"""Write the log: each event once, and durable before it is acknowledged."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Literal
from uuid import UUID

from fastapi import Request
from pymongo.errors import BulkWriteError, WriteConcernError, WriteError
from typing_extensions import override

from service.auth.caller import Caller
from service.core.circuit_breaker import WAITED
from service.core.errors import OutcomeUnknown
from service.documents.predictions.documents import PREDICTIONS
from service.documents.predictions.ingest.event import DEFAULT_EVENT_BYTES
from service.documents.predictions.ingest.group_commit import GroupCommitWriter
from service.documents.retention.rule_cache import RetentionRuleCache
from service.stores.mongo.client import Document, MongoCollection, MongoStore, now

Code = Literal["created", "duplicate", "conflict"]
Outcome = Code | Exception
DUPLICATE_KEY = 11000
MAX_HASH_READS, SECONDS_BETWEEN_READS = 25, 0.02


async def write(mongo: MongoStore, documents: Sequence[Document]) -> list[Outcome]:
    """Insert the documents that are new; return the outcome of each, in their order.

    The call has its own slot and deadline, so that reading and checking a body take no time of the
    store.

    Raises:
        Unavailable: MongoDB is down, hangs or is busy.
        OutcomeUnknown: some may be written; a retry with all of them is safe.
    """
    return await mongo.call(lambda: _insert(mongo.database[PREDICTIONS], documents), writes=True)


async def _insert(predictions: MongoCollection, documents: Sequence[Document]) -> list[Outcome]:
    received_at = now()  # here, so that it is at most the deadline of this call ago
    for document in documents:
        document["received_at"] = received_at
    outcomes: list[Outcome] = ["created"] * len(documents)
    failed = await _failed(predictions, documents)
    existing = [index for index in failed if failed[index] == DUPLICATE_KEY]
    for index in failed.keys() - existing:
        outcomes[index] = OutcomeUnknown("The event may or may not be stored; send it again.")
    if existing:
        stored = await _stored_hashes(predictions, {documents[index]["_id"] for index in existing})
        for index in existing:
            document = documents[index]
            same = stored[document["_id"]] == document["hash"]
            outcomes[index] = "duplicate" if same else "conflict"
    return outcomes


async def _failed(
    predictions: MongoCollection, documents: Sequence[Document]
) -> dict[int, int | None]:
    """Insert the documents; return the error codes of those that failed, by index."""
    try:
        if len(documents) == 1:  # less work for the driver, for which a single client waits
            await predictions.insert_one(documents[0])
        else:
            await predictions.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        if error.details["writeConcernErrors"]:
            raise OutcomeUnknown("Some events may not be stored; send them again.") from error
        return {item["index"]: item["code"] for item in error.details["writeErrors"]}
    except WriteConcernError as error:
        raise OutcomeUnknown("The event may or may not be stored; send it again.") from error
    except WriteError as error:
        return {0: error.code}
    return {}


async def _stored_hashes(predictions: MongoCollection, ids: set[UUID]) -> dict[UUID, bytes]:
    """Return the hashes of stored events.

    Wait until a majority has each of them, because it could be rolled back until then.

    Raises:
        OutcomeUnknown: some are not there after half a second.
    """
    hashes: dict[UUID, bytes] = {}
    for _ in range(MAX_HASH_READS):
        missing = list(ids - hashes.keys())
        cursor = predictions.find({"_id": {"$in": missing}}, {"hash": 1})
        hashes.update({item["_id"]: item["hash"] for item in await cursor.to_list(None)})
        if len(hashes) == len(ids):
            return hashes
        await asyncio.sleep(SECONDS_BETWEEN_READS)
    raise OutcomeUnknown("Another request is writing an event with this id; send it again.")


class SharedWriter(GroupCommitWriter[Document, Code]):
    """Insert the single events of all requests of this process together."""

    def __init__(self, mongo: MongoStore) -> None:
        super().__init__(partial(write, mongo))
        self._seconds, self._circuit = mongo.deadline_seconds, mongo.breaker.circuit

    @override
    async def submit(self, document: Document) -> Code:
        """Return the outcome of the document by the deadline of a request.

        The wait for the insert before counts too, because otherwise it would double the deadline.
        While inserts hang, no document waits behind one.

        Raises:
            Unavailable, OutcomeUnknown: as :func:`write`.
        """
        if self.is_writing and self._circuit.is_open:
            raise self._circuit.refusal()
        try:
            async with asyncio.timeout(self._seconds - WAITED.get()):
                return await super().submit(document)
        except TimeoutError:
            raise OutcomeUnknown from None


class PredictionWriter:
    """Write the log for one caller; a key bound to models may log events of these only."""

    def __init__(
        self,
        mongo: MongoStore,
        caller: Caller,
        shared_writer: SharedWriter,
        retention: RetentionRuleCache,
        max_event_bytes: int = DEFAULT_EVENT_BYTES,
    ) -> None:
        self._mongo, self.caller, self.shared_writer = mongo, caller, shared_writer
        self.retention, self.max_event_bytes = retention, max_event_bytes

    async def insert(self, document: Document) -> Code:
        """Insert one event together with those of other requests; return its outcome.

        Raises:
            Unavailable, OutcomeUnknown: as :func:`write`.
        """
        return await self.shared_writer.submit(document)

    async def insert_all(self, documents: Sequence[Document]) -> list[Code]:
        """Insert all with one write; return the outcome of each.

        Raises:
            Unavailable, OutcomeUnknown: as :func:`write`.
        """
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
    """Return the writer for the caller of this request."""
    state = request.state
    return PredictionWriter(
        state.mongo,
        state.caller,
        state.shared_writer,
        state.retention,
        state.settings.max_event_bytes,
    )
