"""Cache of the retention rules in one process, refreshed every few seconds in the background.

While MongoDB is slow or down, the rules read before stay in use. A request waits only if no rules
were read yet; it could not write either.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from service.documents.retention.documents import RETENTION_RULES
from service.documents.retention.rules import Rules
from service.stores.mongo.client import Database, MongoStore

REFRESH_SECONDS = 5.0
REFRESH_COMMENT = "reads the retention rules"  # names these finds in MongoDB's profiler
_PROJECTION = {"_id": 0, "model": 1, "model_version": 1, "days": 1}
log = structlog.get_logger("service.documents.retention")


async def stored_rules(database: Database, default_days: int | None) -> Rules:
    """Return the rules in MongoDB, all read by one find, because they are few."""
    cursor = database[RETENTION_RULES].find({}, _PROJECTION, comment=REFRESH_COMMENT)
    documents = await cursor.sort([("model", 1), ("model_version", 1)]).to_list(None)
    return Rules.of(documents, default_days)


class RetentionRuleCache:
    """The retention rules as one process last read them."""

    def __init__(self, mongo: MongoStore, default_days: int | None) -> None:
        self._mongo, self._default_days = mongo, default_days
        self._rules: Rules | None = None
        self._reading: asyncio.Task[None] | None = None
        self._refresh = asyncio.Event()

    async def get(self) -> Rules:
        """Return the cached rules, without waiting once rules were read.

        Raises:
            Unavailable: no rules were read yet, and MongoDB does not answer.
        """
        if self._rules is None:
            await self._read()
        assert self._rules is not None  # noqa: S101 - _read sets them or raises
        return self._rules

    def refresh_soon(self) -> None:
        """Start the next refresh now, because a rule has just changed."""
        self._refresh.set()

    @asynccontextmanager
    async def refreshing(self) -> AsyncIterator[None]:
        """Refresh the rules in the background; for the lifespan."""
        shutdown = asyncio.Event()
        task = asyncio.create_task(self._refresh_until(shutdown))
        try:
            yield
        finally:
            shutdown.set()  # instead of cancelling, so that no call on the store is cut off
            self._refresh.set()
            await task

    async def _refresh_until(self, shutdown: asyncio.Event) -> None:
        while not shutdown.is_set():
            self._refresh.clear()
            try:
                await self._read()
            except Exception as error:  # any error, because the next refresh may succeed
                log.warning("retention rules not read", error=type(error).__name__)
            if not shutdown.is_set():
                await self._wait_for_refresh()

    async def _wait_for_refresh(self) -> None:
        try:
            async with asyncio.timeout(REFRESH_SECONDS):
                await self._refresh.wait()
        except TimeoutError:
            return

    async def _read(self) -> None:
        """Read the rules by one find, which all concurrent callers share."""
        reading = self._reading
        if reading is None or reading.done():
            reading = self._reading = asyncio.create_task(self._find())
        await asyncio.wait((reading,))
        reading.result()  # of this find: another caller may have begun the next one

    async def _find(self) -> None:
        async def find() -> Rules:
            return await stored_rules(self._mongo.database, self._default_days)

        self._rules = await self._mongo.call(find, writes=False)
