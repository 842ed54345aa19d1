"""A service for tests of retention, on a mongod that deletes expired documents every second.

It has no PostgreSQL, because retention must not need one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, cast
from uuid import UUID

import httpx2
from fastapi import FastAPI
from pydantic import SecretStr
from pymongo import MongoClient
from typing_extensions import override

from mongo_indexes.apply import apply_all
from service.documents.predictions.documents import FEEDBACK, PREDICTIONS
from service.main import State, create_app
from service.settings import Settings
from service.stores.embedded import MongoEngine
from service.stores.embedded.supervisor import ProcessSpec
from service.stores.mongo.client import Document, MongoCollection
from tests.fixtures.client import ADMINISTRATOR, client_as
from tests.fixtures.stores import PATIENCE

NOWHERE = "postgresql://nobody@127.0.0.1:9/nowhere"
DAY = timedelta(days=1)


@contextmanager
def start_ttl_mongod(folder: Path) -> Iterator[MongoEngine]:
    engine = _TtlMongod(folder)
    engine.start()
    try:
        with MongoClient[dict[str, Any]](engine.url) as client:
            apply_all(client["polystore"])
        yield engine
    finally:
        engine.stop()


class _TtlMongod(MongoEngine):
    """Set at the start, because a later change takes effect after the first minute."""

    @override
    def _process_spec(self) -> ProcessSpec:
        spec = super()._process_spec()
        spec["command"] += ["--setParameter", "ttlMonitorSleepSecs=1"]
        return spec


class RetentionService(NamedTuple):
    """A running service, and its administrator's client."""

    client: httpx2.AsyncClient
    state: State

    @property
    def predictions(self) -> MongoCollection:
        return self.state["mongo"].database[PREDICTIONS]

    @property
    def feedback(self) -> MongoCollection:
        return self.state["mongo"].database[FEEDBACK]

    async def set_rule(self, path: str, days: int) -> None:
        """Set a rule, such as that of ``fraud/versions/3``, and wait until the cache has it."""
        before = await self.state["retention"].get()
        response = await self.client.put(f"/v1/models/{path}/retention", json={"days": days})
        assert response.status_code == 200, response.text

        async def is_cached() -> bool:
            return await self.state["retention"].get() is not before

        await wait_until(is_cached)

    async def stored(self, prediction_id: object) -> Document | None:
        return await self.predictions.find_one({"_id": UUID(str(prediction_id))})


@cache
def _application(url: str, **settings: Any) -> FastAPI:
    """Return the application with these settings; its state is that of each lifespan."""
    return create_app(
        Settings(
            database_url=SecretStr(NOWHERE),
            mongodb_url=SecretStr(url),
            secret=SecretStr("9f2c41d07b6e48a5b3d1e0c7f8a94625"),
            **{**PATIENCE, **settings},
        )
    )


@asynccontextmanager
async def run_service(url: str, **settings: Any) -> AsyncIterator[RetentionService]:
    """Run the service on an emptied database."""
    app = _application(url, **settings)
    with MongoClient[dict[str, Any]](url) as client:
        database = client["polystore"]
        for name in database.list_collection_names(
            filter={"name": {"$not": {"$regex": "^system"}}}
        ):
            database[name].delete_many({})
    async with (
        app.router.lifespan_context(app) as state,
        client_as(ADMINISTRATOR, app, state) as client_,
    ):
        yield RetentionService(client_, cast("State", state))


async def wait_until(
    condition: Callable[[], Coroutine[Any, Any, bool]], seconds: float = 15
) -> None:
    """Wait until the condition is true; raise TimeoutError after ``seconds``."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


def timestamp_ago(**time: float) -> str:
    """Return a time in the past, as the timestamp of an event."""
    return (datetime.now(UTC) - timedelta(**time)).isoformat()


def uuid7_ago(**time: float) -> UUID:
    """Return a UUIDv7 created at a time in the past."""
    moment = datetime.now(UTC) - timedelta(**time)
    return UUID(int=round(moment.timestamp() * 1000) << 80 | 7 << 76 | 2 << 62 | id(moment))
