"""A service that keeps predictions for a while, on a mongod that deletes what expired each second.

There is no PostgreSQL: nothing of this may need one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, cast
from uuid import UUID

import httpx2
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
def mongod_that_deletes(folder: Path) -> Iterator[MongoEngine]:
    engine = _DeletesEachSecond(folder)
    engine.start()
    try:
        with MongoClient[dict[str, Any]](engine.url) as client:
            apply_all(client["polystore"])
        yield engine
    finally:
        engine.stop()


class _DeletesEachSecond(MongoEngine):
    """Told at its start: told later, it would first sleep out its minute."""

    @override
    def _process_spec(self) -> ProcessSpec:
        spec = super()._process_spec()
        spec["command"] += ["--setParameter", "ttlMonitorSleepSecs=1"]
        return spec


class Keeping(NamedTuple):
    """A service, somebody who may do everything there, and what it holds."""

    client: httpx2.AsyncClient
    state: State

    @property
    def predictions(self) -> MongoCollection:
        return self.state["mongo"].database[PREDICTIONS]

    @property
    def feedback(self) -> MongoCollection:
        return self.state["mongo"].database[FEEDBACK]

    async def keep(self, where: str, days: int) -> None:
        """Sets a rule, such as that of ``fraud/versions/3``, and waits until it is known here."""
        before = await self.state["retention"].get()
        answer = await self.client.put(f"/v1/models/{where}/retention", json={"days": days})
        assert answer.status_code == 200, answer.text

        async def known() -> bool:
            return await self.state["retention"].get() is not before

        await until(known)

    async def one(self, prediction_id: object) -> Document | None:
        return await self.predictions.find_one({"_id": UUID(str(prediction_id))})


@asynccontextmanager
async def keeping(url: str, folder: Path, **settings: Any) -> AsyncIterator[Keeping]:
    """Everything is emptied before."""
    app = create_app(
        Settings(
            database_url=SecretStr(NOWHERE),
            mongodb_url=SecretStr(url),
            data_dir=folder,
            **{**PATIENCE, **settings},
        )
    )
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
        yield Keeping(client_, cast("State", state))


async def until(true: Callable[[], Coroutine[Any, Any, bool]], seconds: float = 15) -> None:
    """Waits until it is so."""
    async with asyncio.timeout(seconds):
        while not await true():
            await asyncio.sleep(0.02)


def ago(**time: float) -> str:
    """A timestamp as an event has it."""
    return (datetime.now(UTC) - timedelta(**time)).isoformat()


def made_ago(**time: float) -> UUID:
    """An id of version 7 that was made then."""
    moment = datetime.now(UTC) - timedelta(**time)
    return UUID(int=round(moment.timestamp() * 1000) << 80 | 7 << 76 | 2 << 62 | id(moment))
