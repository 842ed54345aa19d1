"""Tails on a mongod that restarts, or whose oplog is truncated."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr
from pymongo import MongoClient
from pymongo.errors import (
    AutoReconnect,
    ExecutionTimeout,
    PyMongoError,
    ServerSelectionTimeoutError,
)
from typing_extensions import override

from mongo_indexes.apply import apply_all
from service.core.errors import Unavailable
from service.documents.predictions.tail.inserted_events import _translate
from service.main import State
from service.stores.embedded import MongoEngine
from service.stores.embedded.supervisor import ProcessSpec
from service.stores.mongo.change_streams import open_change_streams
from service.stores.mongo.client import open_mongo
from tests.documents.predictions.factories import make_events
from tests.documents.predictions.live_server import serving
from tests.documents.predictions.sse_client import TAIL, open_tail

pytestmark = pytest.mark.usefixtures("reset_stores")


@contextlib.contextmanager
def started(engine: MongoEngine) -> Iterator[MongoEngine]:
    engine.folder.mkdir()
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()


@pytest.fixture
def mongod(tmp_path: Path) -> Iterator[MongoEngine]:
    with started(MongoEngine(tmp_path / "mongodb")) as engine:
        yield engine


@contextlib.asynccontextmanager
async def serving_with(mongod: MongoEngine, state: State) -> AsyncIterator[int]:
    """Serve the application on a mongod that the test may stop; return its port."""
    update = {"mongodb_url": SecretStr(mongod.url), "mongodb_database": "polystore"}
    settings = state["settings"].model_copy(update=update)
    with MongoClient[dict[str, Any]](mongod.url) as client:
        apply_all(client["polystore"])
    async with open_mongo(settings) as mongo, open_change_streams(settings) as change_streams:
        changed_state: Any = {**state, "mongo": mongo, "change_streams": change_streams}
        async with serving(changed_state) as port:
            yield port


async def log_events(port: int, events: list[dict[str, Any]]) -> None:
    """Send a batch until it is accepted."""
    url = f"http://127.0.0.1:{port}/v1/predictions/batch"
    async with httpx2.AsyncClient(timeout=30) as client, asyncio.timeout(30):
        while (await client.post(url, json={"items": events})).status_code == 503:
            await asyncio.sleep(0.05)


async def test_tail_continues_after_a_mongodb_restart(state: State, mongod: MongoEngine) -> None:
    before, after = make_events(30), make_events(30)
    async with serving_with(mongod, state) as port, open_tail(port) as tail:
        await log_events(port, before)
        assert await tail.events(10) == [item["prediction_id"] for item in before[:10]]
        await asyncio.to_thread(mongod.stop)
        await asyncio.to_thread(mongod.start)
        await log_events(port, after)
        ids = await tail.events(50)
    assert ids == [item["prediction_id"] for item in [*before[10:], *after]]


class SmallOplogEngine(MongoEngine):
    """A mongod with an oplog of 16 MB, which is truncated after each checkpoint: every second."""

    @override
    def _process_spec(self) -> ProcessSpec:
        spec = super()._process_spec()
        index = spec["command"].index("--oplogSize")
        spec["command"][index + 1] = "1"
        spec["command"] += ["--syncdelay", "1"]
        return spec


@pytest.mark.parametrize(
    "error",
    [
        ExecutionTimeout("x", 50, {"codeName": "MaxTimeMSExpired"}),
        ExecutionTimeout("x", 50),
        ServerSelectionTimeoutError("x"),
        AutoReconnect("x"),
    ],
)
def test_translate_error_of_a_failover_is_unavailable(error: PyMongoError) -> None:
    """So that the tail tries again instead of ending."""
    assert isinstance(_translate(error), Unavailable)


async def test_tail_id_older_than_the_oplog_returns_410(state: State, tmp_path: Path) -> None:
    with started(SmallOplogEngine(tmp_path / "mongodb")) as mongod:
        async with serving_with(mongod, state) as port:
            async with open_tail(port) as tail:
                await log_events(port, make_events(2))
                await tail.events(1)
            assert tail.last_id is not None
            headers = {"Last-Event-ID": tail.last_id}
            url = f"http://127.0.0.1:{port}{TAIL}"
            async with httpx2.AsyncClient(timeout=30) as http, asyncio.timeout(60):
                status = 200
                while status == 200:
                    await log_events(port, make_events(5, features={"text": "x" * 900_000}))
                    async with http.stream("GET", url, headers=headers) as response:
                        status = response.status_code
                        reason = await response.aread() if status != 200 else b"{}"
    assert (status, json.loads(reason)["code"]) == (410, "event_id_gone")
