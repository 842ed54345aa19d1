"""One store down or hanging: its endpoints refuse in time, the other store's work as before."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import httpx2
import pytest
from pydantic import SecretStr
from pymongo import MongoClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from mongo_indexes.apply import apply_all
from service.auth import credential_cache
from service.auth.credential_cache import CredentialCache
from service.main import State, create_app
from service.settings import Settings
from service.stores.embedded import MongoEngine, PostgresEngine
from service.stores.sql.engine import open_sql
from tests.auth.factories import create_user
from tests.documents.predictions.factories import NDJSON, as_lines, make_events
from tests.fixtures.client import client_for
from tests.fixtures.cpu_time import waiting_clock
from tests.fixtures.processes import paused_process

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("store_down")]

SQL_CALLS = ["/v1/users", "/v1/posts", "/v1/tags"]
MONGO_CALLS = ["/v1/items", "/v1/predictions", "/v1/item_types"]
# Of the 2.1 seconds in which a request is answered; the rest is for the processor.
LONGEST_WAIT = 2.0
Call = Callable[[], Awaitable[httpx2.Response]]


@pytest.fixture(scope="module")
def postgres(
    prepared_service_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PostgresEngine]:
    folder = tmp_path_factory.mktemp("store_down") / "postgres"
    shutil.copytree(prepared_service_folder / "data" / "postgres", folder)
    engine = PostgresEngine(folder)
    engine.start()
    yield engine
    engine.stop()


@pytest.fixture(scope="module")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoEngine]:
    engine = MongoEngine(tmp_path_factory.mktemp("mongodb"))
    engine.start()
    with MongoClient[dict[str, Any]](engine.url) as client:
        apply_all(client["polystore"])
    yield engine
    engine.stop()


@pytest.fixture
async def client(
    postgres: PostgresEngine, mongod: MongoEngine, tmp_path: Path
) -> AsyncIterator[httpx2.AsyncClient]:
    settings = Settings(
        database_url=SecretStr(postgres.url),
        mongodb_url=SecretStr(mongod.url),
        data_dir=tmp_path,
    )
    app = create_app(settings)
    async with app.router.lifespan_context(app) as state, client_for(app, state) as speaking:
        speaking.headers.update((await create_user(cast("State", state), "admin")).headers)
        for path in (*SQL_CALLS, *MONGO_CALLS):
            await eventually_ok(speaking, path)
        yield speaking


async def timed(call: Callable[[], Any]) -> tuple[int, float]:
    """Return the status and the seconds that the call waited."""
    began = waiting_clock()
    response = await call()
    return response.status_code, waiting_clock() - began


async def eventually_ok(client: httpx2.AsyncClient, path: str) -> None:
    """Wait up to 4 seconds for a 200."""
    began = waiting_clock()
    while (await client.get(path)).status_code != 200:
        assert waiting_clock() - began < 4
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("store", ["postgres", "mongod"])
async def test_a_hanging_store_is_refused_in_time_and_leaves_the_other_alone(
    client: httpx2.AsyncClient, postgres: PostgresEngine, mongod: MongoEngine, store: str
) -> None:
    pid = postgres.pid if store == "postgres" else mongod.pid
    mine, others = (SQL_CALLS, MONGO_CALLS) if store == "postgres" else (MONGO_CALLS, SQL_CALLS)
    with paused_process(pid):
        calls = [timed(partial(client.get, path)) for path in mine * 20]
        asked = asyncio.gather(*calls)
        working = [await timed(partial(client.get, path)) for path in others * 10]
        refused = await asked
        shed = await asyncio.gather(*[client.get(mine[0]) for _ in range(5)])
    assert {status for status, _ in refused} == {503}
    assert max(seconds for _, seconds in refused) <= LONGEST_WAIT
    assert {status for status, _ in working} == {200}
    assert max(seconds for _, seconds in working) < 1.0
    assert {response.status_code for response in shed} == {503}
    details = [response.json()["detail"] for response in shed]
    unasked = [detail for detail in details if "try again in a second" in detail]
    assert len(unasked) >= 4, f"a hanging store is tried once a second, but {details}"
    await eventually_ok(client, mine[0])


def logging_calls(client: httpx2.AsyncClient, kind: str) -> tuple[list[Call], set[str]]:
    """Return 12 requests that log predictions, and the ids of these."""
    events = make_events(24)
    path = "/v1/predictions" if kind == "single" else f"/v1/predictions/{kind}"
    calls: list[Call]
    pairs = zip(events[::2], events[1::2], strict=True)
    if kind == "single":
        events = events[::2]
        calls = [partial(client.post, path, json=event) for event in events]
    elif kind == "batch":
        calls = [partial(client.post, path, json={"items": pair}) for pair in pairs]
    else:
        lines = [as_lines([*pair]) for pair in pairs]
        calls = [partial(client.post, path, content=body, headers=NDJSON) for body in lines]
    return calls, {event["prediction_id"] for event in events}


@pytest.mark.parametrize("kind", ["single", "batch", "stream"])
async def test_predictions_for_a_hanging_mongod_are_refused_then_stored_once(
    client: httpx2.AsyncClient, mongod: MongoEngine, kind: str
) -> None:
    """More requests than there are slots, and none waits for the failures of those before it."""
    calls, ids = logging_calls(client, kind)
    with paused_process(mongod.pid):
        refused = await asyncio.gather(*map(timed, calls))
        shed = [await call() for call in calls[:3]]
    assert {status for status, _ in refused} == {503}
    assert max(seconds for _, seconds in refused) <= LONGEST_WAIT
    assert {response.headers["retry-after"] for response in shed} == {"1"}
    assert ["try again in a second" in response.json()["detail"] for response in shed] == [True] * 3
    await eventually_ok(client, "/v1/items")
    for expected in ({200, 201}, {200}):  # a call that hung may have stored its events
        assert {(await call()).status_code for call in calls} <= expected
    with MongoClient[dict[str, Any]](mongod.url, uuidRepresentation="standard") as direct:
        found = direct["polystore"]["predictions"].find({"_id": {"$in": [UUID(i) for i in ids]}})
        assert sorted(str(stored["_id"]) for stored in found) == sorted(ids)


async def test_mongodb_goes_on_with_known_keys_while_postgresql_hangs(
    client: httpx2.AsyncClient, postgres: PostgresEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hang lasts for several lives of an entry; at most one request waits for the first."""
    monkeypatch.setattr(credential_cache, "REFRESH_SECONDS", 0.1)
    monkeypatch.setitem(CredentialCache.get.__kwdefaults__ or {}, "max_age", 0.4)
    waited, ended = [], asyncio.Event()

    async def use_mongodb() -> None:
        while not ended.is_set():
            status, seconds = await timed(partial(client.get, "/v1/items?limit=1"))
            assert status == 200
            waited.append(seconds)
            await asyncio.sleep(0.02)

    with paused_process(postgres.pid):
        using = asyncio.create_task(use_mongodb())
        for _ in range(2):
            status, seconds = await timed(partial(client.get, "/v1/users"))
            assert status == 503
            assert seconds <= LONGEST_WAIT, "for authentication and the store together"
        unknown = {"Authorization": f"Bearer pk_{uuid4().hex}_x"}
        status, seconds = await timed(partial(client.get, "/v1/items", headers=unknown))
        assert (status, seconds <= LONGEST_WAIT) == (503, True)
        await asyncio.sleep(2.0)
        ended.set()
        await using
    assert sum(seconds > 0.5 for seconds in waited) <= 1
    await eventually_ok(client, "/v1/users")


async def test_metrics_show_the_open_circuit(
    client: httpx2.AsyncClient, mongod: MongoEngine
) -> None:
    def is_open(store: str, value: float) -> str:
        return f'polystore_store{{figure="circuit_open",store="{store}"}} {value}'

    with paused_process(mongod.pid):
        assert (await client.get("/v1/items")).status_code == 503
        figures = (await client.get("/metrics")).text
    assert is_open("mongodb", 1.0) in figures
    assert is_open("postgresql", 0.0) in figures
    await eventually_ok(client, "/v1/items")
    assert is_open("mongodb", 0.0) in (await client.get("/metrics")).text


async def test_write_past_its_deadline_is_outcome_unknown(
    client: httpx2.AsyncClient, mongod: MongoEngine
) -> None:
    await eventually_ok(client, "/v1/items")
    with paused_process(mongod.pid):
        response = await client.post("/v1/items", json={"name": "perhaps"})
    assert response.status_code == 503
    assert response.json()["code"] == "outcome_unknown"
    assert response.headers["retry-after"]
    await eventually_ok(client, "/v1/items")


async def test_readiness_names_the_store_that_is_down(
    client: httpx2.AsyncClient, postgres: PostgresEngine
) -> None:
    assert (await client.get("/readyz")).status_code == 200
    with paused_process(postgres.pid):
        response = await client.get("/readyz")
        alive = await client.get("/livez")
    body = response.json()
    assert (response.status_code, body["status"]) == (503, "not_ready")
    assert (body["postgresql"]["ok"], body["mongodb"]["ok"]) == (False, True)
    assert alive.status_code == 200
    await eventually_ok(client, "/v1/users")


async def test_the_service_ends_in_time_while_postgresql_hangs(postgres: PostgresEngine) -> None:
    """A goodbye on each connection would wait 5 seconds for each response."""

    async def rest(session: AsyncSession) -> None:
        await session.scalar(text("SELECT pg_sleep(0.2)"))

    with ExitStack() as hung:
        async with open_sql(Settings(database_url=SecretStr(postgres.url))) as sql:
            await asyncio.gather(*(sql.run(rest, writes=False) for _ in range(4)))
            hung.enter_context(paused_process(postgres.pid))
            began = waiting_clock()
        assert waiting_clock() - began < 4


async def test_the_service_starts_while_a_store_is_down(
    postgres: PostgresEngine, tmp_path: Path
) -> None:
    settings = Settings(
        database_url=SecretStr(postgres.url),
        mongodb_url=SecretStr("mongodb://127.0.0.1:9/polystore"),
        data_dir=tmp_path,
    )
    app = create_app(settings)
    async with app.router.lifespan_context(app) as state, client_for(app, state) as client:
        client.headers.update((await create_user(cast("State", state), "admin")).headers)
        assert (await client.get("/v1/users")).status_code == 200
        status, seconds = await timed(lambda: client.get("/v1/items"))
        assert (status, seconds < LONGEST_WAIT) == (503, True)
        name = f"u{uuid4().hex[:8]}"
        made = await client.post("/v1/users", json={"username": name, "email": f"{name}@x.example"})
        assert made.status_code == 201
