"""MongoDB: opened by the lifespan, handed out as MongoDatabase, the base of all documents.

The only file that imports Motor, which is past its end of life: PyMongo's async API has the same
names for finding and writing, so that moving to it changes this file and no other.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import motor.frameworks.asyncio as motor_threads
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import InvalidDocument
from fastapi import Depends, Request
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase
from pymongo import WriteConcern
from pymongo.errors import (
    ConnectionFailure,
    DocumentTooLarge,
    DuplicateKeyError,
    OperationFailure,
    ServerSelectionTimeoutError,
    WriteConcernError,
)
from pymongo.read_concern import ReadConcern

from service.errors import (
    Conflict,
    OutcomeUnknown,
    QueryTooSlow,
    Refused,
    ServiceError,
    TooLarge,
    Unavailable,
)
from service.guard import Guard
from service.settings import Settings

T = TypeVar("T")
DEFAULT_DATABASE = "polystore"
Document = dict[str, Any]
Collection = AsyncIOMotorCollection[Document]
Database = AsyncIOMotorDatabase[Document]

# -- open ------------------------------------------------------------------------------------------


class Mongo:
    """MongoDB as the lifespan holds it."""

    def __init__(self, database: Database, guard: Guard, settings: Settings) -> None:
        self.database, self.guard = database, guard
        self._places = asyncio.Semaphore(settings.mongo_max_pool_size)
        self._place_seconds = settings.mongo_place_seconds

    async def run(self, work: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        """The result of ``work``, in time and within one of as many places as connections.

        Motor runs each call in a thread and puts no limit on what waits for one.

        Raises:
            Unavailable: MongoDB is down, hangs, or is busy.
            OutcomeUnknown: it hung, and ``work`` may still have its effect.
        """
        clock = self.guard.clock()

        async def placed() -> T:
            clock.start()
            await self._take_place()
            try:
                return await work()
            finally:
                self._places.release()

        try:
            return await self.guard.run(placed(), clock, writes=writes)
        except QueryTooSlow as slow:
            if writes:  # it may have been written, only not yet by a majority
                raise OutcomeUnknown from slow
            raise

    async def _take_place(self) -> None:
        try:
            async with asyncio.timeout(self._place_seconds):
                await self._places.acquire()
        except TimeoutError:
            raise MongoBusy from None


@asynccontextmanager
async def open_mongo(settings: Settings) -> AsyncIterator[Mongo]:
    """For the lifespan. Connects to nothing yet: the service starts while MongoDB is down.

    Writes are acknowledged by a majority and in its journal: anything less was measured to lose
    acknowledged documents when a mongod is killed.
    """
    assert settings.mongodb_url is not None  # noqa: S101 - create_app has refused otherwise
    threads = ThreadPoolExecutor(settings.mongo_max_pool_size, thread_name_prefix="motor")
    motor_threads._EXECUTOR = threads
    client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(
        settings.mongodb_url.get_secret_value(),
        appname="polystore",
        maxPoolSize=settings.mongo_max_pool_size,
        connectTimeoutMS=_ms(settings.mongo_connect_seconds),
        serverSelectionTimeoutMS=_ms(settings.mongo_server_selection_seconds),
        heartbeatFrequencyMS=_ms(settings.mongo_heartbeat_seconds),
        waitQueueTimeoutMS=_ms(settings.mongo_wait_queue_seconds),
        timeoutMS=_ms(settings.mongo_operation_seconds),
        retryWrites=True,
        retryReads=True,
    )
    database = client.get_database(
        settings.mongodb_database or client.get_default_database(DEFAULT_DATABASE).name,
        codec_options=CodecOptions(
            tz_aware=True,
            tzinfo=UTC,
            uuid_representation=4,
            datetime_conversion=DatetimeConversion.DATETIME_CLAMP,
        ),
        write_concern=WriteConcern(w="majority", j=True),
        read_concern=ReadConcern("majority"),
    )
    guard = Guard("MongoDB", settings.mongo_deadline_seconds, translate)
    try:
        yield Mongo(database, guard, settings)
    finally:
        await guard.drain()
        client.close()
        threads.shutdown(wait=False, cancel_futures=True)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


class MongoUnreachable(Unavailable):
    detail = "MongoDB is not reachable."


class MongoBusy(Unavailable):
    code, detail = "busy", "All connections to MongoDB are in use."


class DocumentRefused(Refused):
    code, detail = "document_refused", "The document breaks a rule of its collection."


# mongo/src/mongo/base/error_codes.yml
_BY_CODE: dict[int, type[ServiceError]] = {
    50: QueryTooSlow,  # MaxTimeMSExpired
    121: DocumentRefused,  # DocumentValidationFailure
    # authentication, interruption, elections, shutdown
    **dict.fromkeys(
        (13, 18, 89, 91, 189, 262, 10107, 11600, 11602, 13435, 13436, 14031), MongoUnreachable
    ),
}


class DocumentTooLong(TooLarge):
    detail = "A document of more than 16 MiB cannot be stored."


# The first that fits. A connection that breaks says nothing about what was done over it.
_BY_CLASS: tuple[tuple[type[Exception], type[ServiceError]], ...] = (
    (ServerSelectionTimeoutError, MongoUnreachable),
    (ConnectionFailure, OutcomeUnknown),
    (WriteConcernError, OutcomeUnknown),
    (DocumentTooLarge, DocumentTooLong),
    (InvalidDocument, DocumentRefused),
    (OverflowError, DocumentRefused),
)


def translate(error: Exception) -> ServiceError | None:
    """What a driver error means to a client; None if it has nothing to do with the store."""
    if isinstance(error, DuplicateKeyError):
        guarded = ServiceError.guarded.get(violated_index(error.details or {}))
        return (guarded or Conflict)()
    if isinstance(error, OperationFailure) and error.code in _BY_CODE:
        return _BY_CODE[error.code]()
    kinds = (refusal for kind, refusal in _BY_CLASS if isinstance(error, kind))
    refusal = next(kinds, None)
    return None if refusal is None else refusal()


def violated_index(details: Mapping[str, Any]) -> str:
    """The name of the index a duplicate key error speaks of, such as ``uq_item_types_name``."""
    _, _, rest = str(details.get("errmsg", "")).partition(" index: ")
    return rest.partition(" ")[0]


# -- hand out --------------------------------------------------------------------------------------


async def _this_database(request: Request) -> Database:
    mongo: Mongo = request.state.mongo
    return mongo.database


MongoDatabase = Annotated[Database, Depends(_this_database)]

# -- base ------------------------------------------------------------------------------------------


def now() -> datetime:
    """The time a document is written, in the milliseconds BSON keeps."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


async def aggregate(
    collection: Collection, pipeline: Sequence[Mapping[str, Any]]
) -> list[Document]:
    """All documents of a pipeline. (Motor's ``aggregate`` is not awaited, PyMongo's is.)"""
    return await collection.aggregate(pipeline).to_list(None)


async def list_indexes(collection: Collection) -> list[Document]:
    """The index documents of a collection; empty if there is none. (Awaited in PyMongo.)"""
    return [dict(index) for index in await collection.list_indexes().to_list(None)]
