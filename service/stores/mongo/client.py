"""MongoDB: opened by the lifespan, handed out as MongoDatabase, the base of all documents.

The only file that imports Motor, which is past its end of life: PyMongo's async API has the same
names for finding and writing, so that moving to it changes this file and no other.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import motor.frameworks.asyncio as motor_threads
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion
from fastapi import Request
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase
from pymongo import WriteConcern
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern
from pymongo.uri_parser import parse_uri

from service.core.circuit_breaker import CircuitBreaker
from service.core.errors import OutcomeUnknown, QueryTooSlow
from service.core.metrics import Metrics
from service.settings import Settings
from service.stores.mongo.errors import MongoBusy, translate_mongo_error
from service.web.context import provided
from service.web.schemas import to_milliseconds

T = TypeVar("T")
DEFAULT_DATABASE = "polystore"
NAMESPACE_NOT_FOUND = 26
Document = dict[str, Any]
MongoCollection = AsyncIOMotorCollection[Document]
Database = AsyncIOMotorDatabase[Document]

# -- open ------------------------------------------------------------------------------------------


class MongoStore:
    """MongoDB as the lifespan holds it."""

    def __init__(self, database: Database, breaker: CircuitBreaker, settings: Settings) -> None:
        self.database, self.breaker = database, breaker
        self._places = asyncio.Semaphore(settings.mongo_max_pool_size)
        self._in_use = 0
        self._place_seconds = settings.mongo_place_seconds

    @property
    def in_use(self) -> int:
        """How many of the places are taken."""
        return self._in_use

    def register_metrics(self, metrics: Metrics) -> None:
        """Lets /metrics see how many of the places are taken."""
        metrics.watch("mongodb", "connections_in_use", lambda: self.in_use)
        metrics.watch("mongodb", "calls_abandoned", lambda: self.breaker.detached)

    async def call(self, work: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        """The result of ``work``, in time and within one of as many places as connections.

        Motor runs each call in a thread and puts no limit on what waits for one.

        Raises:
            Unavailable: MongoDB is down, hangs, or is busy.
            OutcomeUnknown: it hung, and ``work`` may still have its effect.
        """
        deadline = self.breaker.deadline()

        async def placed() -> T:
            deadline.start()
            await self._take_place()
            self._in_use += 1
            try:
                return await work()
            finally:
                self._in_use -= 1
                self._places.release()

        try:
            return await self.breaker.run(placed(), deadline, writes=writes)
        except QueryTooSlow as slow:
            if writes:  # it may have been written, only not yet by a majority
                raise OutcomeUnknown from slow
            raise

    async def _take_place(self) -> None:
        if not self._places.locked():  # nobody waits, and a timer is not needed
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout(self._place_seconds):
                await self._places.acquire()
        except TimeoutError:
            raise MongoBusy from None


@asynccontextmanager
async def open_mongo(settings: Settings) -> AsyncIterator[MongoStore]:
    """For the lifespan. Connects to nothing yet: the service starts while MongoDB is down.

    Writes are acknowledged by a majority and in its journal: anything less was measured to lose
    acknowledged documents when a mongod is killed.
    """
    assert settings.mongodb_url is not None  # noqa: S101 - create_app has refused otherwise
    url = settings.mongodb_url.get_secret_value()
    breaker = CircuitBreaker("MongoDB", settings.mongo_deadline_seconds, translate_mongo_error)
    with _threads(settings.mongo_max_pool_size):
        client = _client(url, settings)
        database = client.get_database(
            database_name(url, settings),
            codec_options=CODEC,
            write_concern=WriteConcern(w="majority", j=True),
            read_concern=ReadConcern("majority"),
        )
        try:
            yield MongoStore(database, breaker, settings)
        finally:
            await breaker.drain()
            client.close()


CODEC: CodecOptions[Document] = CodecOptions(
    tz_aware=True,
    tzinfo=UTC,
    uuid_representation=UuidRepresentation.STANDARD,
    # A date beyond year 9999, written by somebody else, is read as the last one there is.
    datetime_conversion=DatetimeConversion.DATETIME_CLAMP,
)


def _client(url: str, settings: Settings) -> AsyncIOMotorClient[Document]:
    return AsyncIOMotorClient(
        url,
        appname="polystore",
        maxPoolSize=settings.mongo_max_pool_size,
        connectTimeoutMS=_ms(settings.mongo_connect_seconds),
        heartbeatFrequencyMS=_ms(settings.mongo_heartbeat_seconds),
        # Bounds the selection of a server and the wait for a connection too; with it, PyMongo looks
        # at neither serverSelectionTimeoutMS nor waitQueueTimeoutMS.
        timeoutMS=_ms(settings.mongo_operation_seconds),
        retryWrites=True,
        retryReads=True,
    )


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Motor runs each call in a thread of one pool for the whole process; here, as many as told.

    Its own way to say so is an environment variable that is read when it is imported.
    """
    before = motor_threads._EXECUTOR
    threads = ThreadPoolExecutor(count, thread_name_prefix="motor")
    motor_threads._EXECUTOR = threads
    try:
        yield
    finally:
        motor_threads._EXECUTOR = before
        threads.shutdown(wait=False, cancel_futures=True)


def database_name(url: str, settings: Settings) -> str:
    """The database to use: the one set, the URL's, or polystore."""
    return settings.mongodb_database or parse_uri(url)["database"] or DEFAULT_DATABASE


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


# -- hand out --------------------------------------------------------------------------------------


def _this_database(request: Request) -> Database:
    mongo: MongoStore = request.state.mongo
    return mongo.database


def _this_mongo(request: Request) -> MongoStore:
    mongo: MongoStore = request.state.mongo
    return mongo


MongoDatabase = Annotated[Database, provided(_this_database)]
# For those whose request is not itself within a place and a deadline: intakes, streams.
MongoStoreDep = Annotated[MongoStore, provided(_this_mongo)]

# -- base ------------------------------------------------------------------------------------------


def now() -> datetime:
    """The time a document is written, in the milliseconds BSON keeps."""
    return to_milliseconds(datetime.now(UTC))


async def list_indexes(collection: MongoCollection) -> list[Document]:
    """The index documents of a collection, if there is one; unfinished builds say so.

    A command and not the driver's own ``list_indexes``, which shows unfinished builds as finished.
    """
    try:
        reply = await collection.database.command(
            "listIndexes", collection.name, includeBuildUUIDs=True
        )
    except OperationFailure as error:
        if error.code == NAMESPACE_NOT_FOUND:
            return []
        raise
    found: list[Document] = reply["cursor"]["firstBatch"]
    return found
