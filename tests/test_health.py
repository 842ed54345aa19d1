"""The probes and the figures."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from service.documents.predictions.ingest.limiter import MAX_CONCURRENT_BATCHES
from service.main import State
from service.stores.sql import migrations
from service.stores.sql.migrations import expected_head
from tests.documents.predictions.factories import make_event, post_event


async def test_livez_is_alive(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/livez")).json() == {"status": "alive"}


async def test_readyz_names_schema_and_no_missing_index(client: httpx2.AsyncClient) -> None:
    body = (await client.get("/readyz")).json()
    assert body["status"] == "ready"
    assert body["postgresql"]["schema_head"] == expected_head()
    assert body["mongodb"]["missing_indexes"] == []


@asynccontextmanager
async def at_revision(state: State, head: str) -> AsyncIterator[None]:
    """Let the database be at another revision."""
    set_head = text("UPDATE alembic_version SET version_num = :head")
    async with state["sql"].engine.begin() as connection:
        await connection.execute(set_head, {"head": head})
    try:
        yield
    finally:
        async with state["sql"].engine.begin() as connection:
            await connection.execute(set_head, {"head": expected_head()})


@asynccontextmanager
async def without(state: State, drop: str, create: str) -> AsyncIterator[None]:
    """Let the database lack an object."""
    async with state["sql"].engine.begin() as connection:
        await connection.execute(text(drop))
    try:
        yield
    finally:
        async with state["sql"].engine.begin() as connection:
            await connection.execute(text(create))


async def test_readyz_schema_behind_is_503(client: httpx2.AsyncClient, state: State) -> None:
    async with at_revision(state, "202611211602"):
        response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["postgresql"]["schema_state"] == "behind"
    assert "polystore migrate apply" in response.json()["postgresql"]["detail"]


async def test_readyz_schema_ahead_is_ready(client: httpx2.AsyncClient, state: State) -> None:
    async with at_revision(state, "209912311200"):
        response = await client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["status"] == "ready"
    assert response.json()["postgresql"]["schema_state"] == "ahead"


async def test_readyz_contract_step_pending_is_ready(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    phases = {**migrations._phases(), expected_head(): "contract"}
    monkeypatch.setattr(migrations, "_phases", lambda: phases)
    _head, before, *_ = phases
    async with at_revision(state, before):
        response = await client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["postgresql"]["schema_state"] == "contract_pending"


async def test_readyz_missing_column_is_503(client: httpx2.AsyncClient, state: State) -> None:
    """A newer release, or an operator, has removed what this one needs."""
    rename = "ALTER TABLE comments RENAME COLUMN {} TO {}"
    async with without(state, rename.format("content", "words"), rename.format("words", "content")):
        response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["postgresql"]["missing"] == ["comments.content"]


@pytest.mark.parametrize(
    ("drop", "create", "name"),
    [
        (
            "DROP INDEX ix_service_processes_reported_at",
            "CREATE INDEX ix_service_processes_reported_at ON service_processes (reported_at)",
            "ix_service_processes_reported_at",
        ),
        (
            "ALTER TABLE service_processes DROP CONSTRAINT pk_service_processes",
            "ALTER TABLE service_processes ADD CONSTRAINT pk_service_processes PRIMARY KEY (id)",
            "pk_service_processes",
        ),
    ],
)
async def test_readyz_missing_postgresql_object_is_degraded(
    drop: str, create: str, name: str, client: httpx2.AsyncClient, state: State
) -> None:
    async with without(state, drop, create):
        response = await client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["status"] == "degraded"
    assert response.json()["postgresql"]["missing"] == [name]


async def test_readyz_missing_mongodb_index_is_degraded(
    client: httpx2.AsyncClient, state: State
) -> None:
    items = state["mongo"].database["items"]
    await items.drop_index("ix_items_name")
    try:
        response = await client.get("/readyz")
    finally:
        keys = [("deleted_at", 1), ("name", 1), ("_id", 1)]
        await items.create_index(keys, name="ix_items_name")
    assert response.status_code == 200
    assert response.json()["status"] == "degraded"
    assert response.json()["mongodb"]["missing_indexes"] == ["items.ix_items_name"]


@pytest.mark.parametrize(
    "figure",
    [
        'polystore_http_request_seconds_count{method="GET",route="/v1/users/{user_id}",status="422"}',
        'polystore_store{figure="connections_in_use",store="postgresql"} 0.0',
        'polystore_store{figure="connections_in_use",store="mongodb"} 0.0',
        'polystore_store{figure="circuit_open",store="postgresql"} 0.0',
        'polystore_store{figure="calls_abandoned",store="mongodb"} 0.0',
    ],
)
async def test_metrics_are_by_route_and_by_store(client: httpx2.AsyncClient, figure: str) -> None:
    await client.get("/v1/users/nobody")
    response = await client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    async with asyncio.timeout(30):  # the retention rules may be read meanwhile
        while figure not in (await client.get("/metrics")).text:
            await asyncio.sleep(0.01)


async def shown(client: httpx2.AsyncClient, figure: str, value: float) -> None:
    """Wait until /metrics shows the figure of MongoDB with this value."""
    line = f'polystore_store{{figure="{figure}",store="mongodb"}} {value}'
    async with asyncio.timeout(30):
        while line not in (await client.get("/metrics")).text:
            await asyncio.sleep(0.01)


async def test_metrics_show_calls_that_wait_for_mongodb(
    client: httpx2.AsyncClient, state: State
) -> None:
    slots = state["mongo"]._slots
    free = slots._value
    for _ in range(free):
        await slots.acquire()
    asked = asyncio.create_task(client.get("/v1/items"))
    await shown(client, "calls_waiting", 1.0)
    for _ in range(free):
        slots.release()
    assert (await asked).status_code == 200
    await shown(client, "calls_waiting", 0.0)


async def test_metrics_show_batches_that_wait_for_a_slot(
    client: httpx2.AsyncClient, state: State
) -> None:
    async with AsyncExitStack() as slots:
        for _ in range(MAX_CONCURRENT_BATCHES):
            await slots.enter_async_context(state["intake_limiter"].worker_slot)
        batch = {"items": [make_event()]}
        sent = asyncio.create_task(client.post("/v1/predictions/batch", json=batch))
        await shown(client, "batches_waiting", 1.0)
    assert (await sent).status_code == 200
    await shown(client, "batches_waiting", 0.0)


async def test_metrics_show_predictions_that_wait_for_the_next_insert(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, released = asyncio.Event(), asyncio.Event()
    write = state["shared_writer"]._write

    async def write_later(documents: Sequence[Any]) -> Any:
        reached.set()
        await released.wait()
        return await write(documents)

    monkeypatch.setattr(state["shared_writer"], "_write", write_later)
    sent = [asyncio.create_task(post_event(client, make_event()))]
    await reached.wait()
    sent += [asyncio.create_task(post_event(client, make_event())) for _ in range(2)]
    await shown(client, "predictions_waiting", 2.0)
    released.set()
    assert {response.status_code for response in await asyncio.gather(*sent)} == {201}
    await shown(client, "predictions_waiting", 0.0)


async def test_metrics_show_the_lag_of_the_event_loop(client: httpx2.AsyncClient) -> None:
    assert "\npolystore_event_loop_lag_seconds " in (await client.get("/metrics")).text
