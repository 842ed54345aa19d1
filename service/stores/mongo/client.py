"""The client of MongoDB: opened by the lifespan, handed out as a database, shared by documents.

The only module that imports Motor, which is past its end of life. PyMongo's async API has the same
names for finds and writes, so the swap changes this module alone.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import motor.frameworks.asyncio as motor_asyncio
import pymongo
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion
from motor.motor_asyncio import (
    AsyncIOMotorClient,
    AsyncIOMotorCollection,
    AsyncIOMotorCursor,
    AsyncIOMotorDatabase,
)
from pymongo import ReadPreference, WriteConcern
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern

from mongo_indexes.database_name import find_database_name
from service.core.circuit_breaker import CircuitBreaker
from service.core.metrics import Metrics
from service.settings import Settings
from service.stores.mongo.errors import MongoBusy, translate_mongo_error
from service.web.schemas import to_milliseconds

T = TypeVar("T")
NAMESPACE_NOT_FOUND = 26
Document = dict[str, Any]
MongoCollection = AsyncIOMotorCollection[Document]
MongoCursor = AsyncIOMotorCursor[Document]
Database = AsyncIOMotorDatabase[Document]

# -- open ------------------------------------------------------------------------------------------


class MongoStore:
    """MongoDB in one process: its database, its circuit breaker and one slot per connection."""

    def __init__(self, database: Database, breaker: CircuitBreaker, settings: Settings) -> None:
        self.database, self.breaker = database, breaker
        self.deadline_seconds = settings.mongo_deadline_seconds
        self._slots = asyncio.Semaphore(settings.mongo_max_pool_size)
        self._slot_seconds = settings.mongo_place_seconds
        self._in_use = self._waiting = 0

    @property
    def in_use(self) -> int:
        """The number of slots in use."""
        return self._in_use

    def register_metrics(self, metrics: Metrics) -> None:
        """Register the slots, the calls that wait for one, and the circuit breaker."""
        metrics.watch("mongodb", "connections_in_use", lambda: self.in_use)
        metrics.watch("mongodb", "calls_waiting", lambda: self._waiting)
        metrics.watch_breaker("mongodb", self.breaker)

    async def call(
        self, work: Callable[[], Awaitable[T]], *, writes: bool, spent: float = 0.0
    ) -> T:
        """Return the result of ``work``, run in a slot within the deadline less ``spent`` seconds.

        There are as many slots as connections. Motor runs each call in a thread and puts no limit
        on the calls that wait for one.

        Raises:
            Unavailable: MongoDB is down, hangs, or is busy.
            OutcomeUnknown: it hung, and ``work`` may still have its effect.
        """
        deadline = self.breaker.deadline(spent)

        async def in_slot() -> T:
            deadline.start()
            await self._acquire_slot()
            self._in_use += 1
            try:
                return await work()
            finally:
                self._in_use -= 1
                self._slots.release()

        return await self.breaker.run(in_slot(), deadline, writes=writes)

    async def _acquire_slot(self) -> None:
        if not self._slots.locked():  # no other call waits, so no timer is needed
            await self._slots.acquire()
            return
        self._waiting += 1
        try:
            async with asyncio.timeout(self._slot_seconds):
                await self._slots.acquire()
        except TimeoutError:
            raise MongoBusy from None
        finally:
            self._waiting -= 1


@asynccontextmanager
async def open_mongo(settings: Settings) -> AsyncIterator[MongoStore]:
    """Open the client without connecting, so that the service starts while MongoDB is down.

    Writes are acknowledged by a majority and journaled, because anything less loses acknowledged
    documents when a mongod is killed (measured). Reads ask the primary with any URL, because
    features decide on what they have just written.
    """
    assert settings.mongodb_url is not None  # noqa: S101 - create_app has refused otherwise
    url = settings.mongodb_url.get_secret_value()
    name = database_name(url, settings)  # before the driver quotes a malformed URL in its error
    breaker = CircuitBreaker("MongoDB", settings.mongo_deadline_seconds, translate_mongo_error)
    with _motor_threads(settings.mongo_max_pool_size):
        client = _client(url, settings)
        database = client.get_database(
            name,
            codec_options=CODEC,
            read_preference=ReadPreference.PRIMARY,
            write_concern=WriteConcern(w="majority", j=True),
            read_concern=ReadConcern("majority"),
        )
        try:
            yield MongoStore(database, breaker, settings)
        finally:
            await breaker.drain()
            with pymongo.timeout(settings.mongo_operation_seconds):  # else 30 s where it hangs
                client.close()


CODEC: CodecOptions[Document] = CodecOptions(
    tz_aware=True,
    tzinfo=UTC,
    uuid_representation=UuidRepresentation.STANDARD,
    # A date beyond year 9999, written by another program, is read as the last date of Python.
    datetime_conversion=DatetimeConversion.DATETIME_CLAMP,
)


def _client(url: str, settings: Settings) -> AsyncIOMotorClient[Document]:
    return AsyncIOMotorClient(
        url,
        appname="polystore",
        maxPoolSize=settings.mongo_max_pool_size,
        connectTimeoutMS=_ms(settings.mongo_connect_seconds),
        heartbeatFrequencyMS=_ms(settings.mongo_heartbeat_seconds),
        # Limits server selection and the wait for a connection too: with it, PyMongo ignores
        # serverSelectionTimeoutMS and waitQueueTimeoutMS.
        timeoutMS=_ms(settings.mongo_operation_seconds),
        retryWrites=True,
        retryReads=True,
    )


@contextmanager
def _motor_threads(count: int) -> Iterator[None]:
    """Give Motor's thread pool, of which a process has one, as many threads as connections.

    Motor's own setting is an environment variable, MOTOR_MAX_WORKERS, read when it is imported.
    """
    before = motor_asyncio._EXECUTOR
    threads = ThreadPoolExecutor(count, thread_name_prefix="motor")
    motor_asyncio._EXECUTOR = threads
    try:
        yield
    finally:
        motor_asyncio._EXECUTOR = before
        threads.shutdown(wait=False, cancel_futures=True)


def database_name(url: str, settings: Settings) -> str:
    """Return the name of the database: the setting's, the URL's, or ``polystore``.

    Raises:
        BadMongoUrl: the URL is malformed; the message does not repeat it.
    """
    return find_database_name(url, settings.mongodb_database)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


# -- base ------------------------------------------------------------------------------------------


def now() -> datetime:
    """Return the current time in UTC, cut to the milliseconds that BSON keeps."""
    return to_milliseconds(datetime.now(UTC))


async def list_indexes(collection: MongoCollection) -> list[Document]:
    """Return the index documents of a collection, none if it does not exist.

    Runs the command, because the driver's ``list_indexes`` shows unfinished builds as finished.
    """
    try:
        reply = await collection.database.command(
            "listIndexes", collection.name, includeBuildUUIDs=True
        )
    except OperationFailure as error:
        if error.code == NAMESPACE_NOT_FOUND:
            return []
        raise
    indexes: list[Document] = reply["cursor"]["firstBatch"]
    return indexes
