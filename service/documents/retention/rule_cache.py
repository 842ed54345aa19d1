"""The rules as this process knows them: read anew every few seconds, beside the requests.

While MongoDB is slow or down those of before go on. Only a request that comes before any were read
waits for them; it could not write either.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import structlog
from fastapi import Request

from service.documents.retention.documents import RETENTION_RULES
from service.documents.retention.rules import Rules
from service.stores.mongo.client import Database, MongoStore
from service.web.context import provided

SECONDS_BETWEEN_LOOKS = 5.0
READS_THE_RULES = "reads the retention rules"  # for who wonders what asks all the time
_SAID = {"_id": 0, "model": 1, "model_version": 1, "days": 1}
log = structlog.get_logger("service.documents.retention")


async def stored_rules(database: Database, default_days: int | None) -> Rules:
    """The rules as they are in MongoDB: all of a small collection, in one find."""
    found = database[RETENTION_RULES].find({}, _SAID, comment=READS_THE_RULES)
    documents = await found.sort([("model", 1), ("model_version", 1)]).to_list(None)
    return Rules.of(documents, default_days)


class CurrentRules:
    """What one process knows of the rules."""

    def __init__(self, mongo: MongoStore, default_days: int | None) -> None:
        self._mongo, self._default_days = mongo, default_days
        self._rules: Rules | None = None
        self._reading: asyncio.Task[None] | None = None
        self._look = asyncio.Event()

    async def get(self) -> Rules:
        """The rules to go by.

        Raises:
            Unavailable: none were ever read, and MongoDB does not answer.
        """
        if self._rules is None:
            await self._read()
        assert self._rules is not None  # noqa: S101 - read, or refused
        return self._rules

    def look_again(self) -> None:
        """A rule has just changed: read them now, and not in a few seconds."""
        self._look.set()

    @asynccontextmanager
    async def kept_current(self) -> AsyncIterator[None]:
        """For the lifespan."""
        leaving = asyncio.Event()
        keeper = asyncio.create_task(self._keep_current(leaving))
        try:
            yield
        finally:
            leaving.set()  # and not cancelled: a call on a store is never left half done
            self._look.set()
            await keeper

    async def _keep_current(self, leaving: asyncio.Event) -> None:
        while not leaving.is_set():
            self._look.clear()
            try:
                await self._read()
            except Exception as error:  # whatever it is, the next look may find them
                log.warning("retention rules not read", error=type(error).__name__)
            if not leaving.is_set():
                await self._wait_for_the_next()

    async def _wait_for_the_next(self) -> None:
        try:
            async with asyncio.timeout(SECONDS_BETWEEN_LOOKS):
                await self._look.wait()
        except TimeoutError:
            return

    async def _read(self) -> None:
        """One find, whoever waits for it."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._find())
        await asyncio.wait((self._reading,))
        self._reading.result()

    async def _find(self) -> None:
        async def find() -> Rules:
            return await stored_rules(self._mongo.database, self._default_days)

        self._rules = await self._mongo.call(find, writes=False)


def _these_rules(request: Request) -> CurrentRules:
    rules: CurrentRules = request.state.retention
    return rules


RulesHere = Annotated[CurrentRules, provided(_these_rules)]
