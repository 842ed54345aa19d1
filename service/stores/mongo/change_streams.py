"""Change streams of MongoDB: what is written, as it happens.

Over a client of their own, on PyMongo's async API: a stream that waits holds a connection while it
does, and with Motor a thread too, of which there are as many as requests at once. Here it can take
neither from a request. How many there are at once is bounded.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.asynchronous.change_stream import AsyncChangeStream
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.read_concern import ReadConcern

from service.core.errors import Unavailable
from service.core.metrics import Metrics
from service.settings import Settings
from service.stores.mongo.client import CODEC, Document, database_name

Token = Mapping[str, Any]
ChangeStream = AsyncChangeStream[Document]
# So long the server waits for something to happen before it says that nothing did.
AWAIT_SECONDS = 1.0
CHANGES_AT_ONCE = 50


class TooManyTails(Unavailable):
    code, title = "too_many_tails", "As many as can be are following the log already"
    store_fails = False

    def __init__(self) -> None:
        super().__init__("Try again later, or ask another process.", retry_after=5)


class ChangeStreams:
    """As many places for change streams as told, of which each has a connection."""

    def __init__(self, database: AsyncDatabase[Document], places: int) -> None:
        self._database, self._places = database, places
        self.taken = 0

    def register_metrics(self, metrics: Metrics) -> None:
        """Lets /metrics see how many there are."""
        metrics.watch("mongodb", "change_streams", lambda: self.taken)

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for one.

        Raises:
            TooManyTails: none is left.
        """
        if self.taken >= self._places:
            raise TooManyTails
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1

    async def open(
        self, collection: str, pipeline: Sequence[Document], after: Token | None
    ) -> ChangeStream:
        """The changes from now on, or those after a token of an earlier stream."""
        return await self._database[collection].watch(
            pipeline,
            start_after=after,
            max_await_time_ms=round(AWAIT_SECONDS * 1000),
            batch_size=CHANGES_AT_ONCE,
        )


@asynccontextmanager
async def open_change_streams(settings: Settings) -> AsyncIterator[ChangeStreams]:
    """For the lifespan. Connects to nothing before the first stream."""
    assert settings.mongodb_url is not None  # noqa: S101 - create_app has refused otherwise
    url = settings.mongodb_url.get_secret_value()
    client: AsyncMongoClient[Document] = AsyncMongoClient(
        url,
        appname="polystore-tails",
        maxPoolSize=settings.tails,
        connectTimeoutMS=round(settings.mongo_connect_seconds * 1000),
        heartbeatFrequencyMS=round(settings.mongo_heartbeat_seconds * 1000),
        timeoutMS=round((settings.mongo_operation_seconds + AWAIT_SECONDS) * 1000),
    )
    database = client.get_database(
        database_name(url, settings),
        codec_options=CODEC,
        read_concern=ReadConcern("majority"),
    )
    try:
        yield ChangeStreams(database, settings.tails)
    finally:
        await client.close()
