"""Change streams of MongoDB: the writes to a collection as they happen.

They have a client of their own, on PyMongo's async API, and a limited number of slots. A waiting
stream holds a connection, and with Motor also one of its few threads; here it takes neither from a
request.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pymongo
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
AWAIT_SECONDS = 1.0  # the server waits as long for a change before it returns an empty batch
BATCH_SIZE = 50


class TooManyTails(Unavailable):
    code, title = "too_many_tails", "Too many open tails"
    store_fails = False

    def __init__(self) -> None:
        super().__init__("Try again later, or call another process.", retry_after=5)


class ChangeStreams:
    """Change streams of one database, as many at once as ``slots``; each has a connection."""

    def __init__(self, database: AsyncDatabase[Document], slots: int) -> None:
        self._database, self._slots = database, slots
        self.in_use = 0

    def register_metrics(self, metrics: Metrics) -> None:
        """Register the number of slots in use."""
        metrics.watch("mongodb", "change_streams", lambda: self.in_use)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a slot for one stream.

        Raises:
            TooManyTails: all slots are in use.
        """
        if self.in_use >= self._slots:
            raise TooManyTails
        self.in_use += 1
        try:
            yield
        finally:
            self.in_use -= 1

    async def open(
        self, collection: str, pipeline: Sequence[Document], after: Token | None
    ) -> ChangeStream:
        """Open a stream of the changes from now on, or after the token of an earlier stream."""
        return await self._database[collection].watch(
            pipeline,
            start_after=after,
            max_await_time_ms=round(AWAIT_SECONDS * 1000),
            batch_size=BATCH_SIZE,
        )


@asynccontextmanager
async def open_change_streams(settings: Settings) -> AsyncIterator[ChangeStreams]:
    """Open the client; it connects at the first stream."""
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
        with pymongo.timeout(settings.mongo_operation_seconds):  # else 30 s where it hangs
            await client.close()
