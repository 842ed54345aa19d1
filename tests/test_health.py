"""The probes and the figures."""

import asyncio

import httpx2
import pytest
from sqlalchemy import text

from service.main import State
from service.stores.sql.migrations import expected_head


async def test_livez_is_alive(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/livez")).json() == {"status": "alive"}


async def test_readyz_names_schema_and_no_missing_index(client: httpx2.AsyncClient) -> None:
    body = (await client.get("/readyz")).json()
    assert body["status"] == "ready"
    assert body["postgresql"]["schema_head"] == expected_head()
    assert body["mongodb"]["missing_indexes"] == []


async def test_readyz_outdated_schema_is_503(client: httpx2.AsyncClient, state: State) -> None:
    set_head = text("UPDATE alembic_version SET version_num = :head")
    async with state["sql"].engine.begin() as connection:
        await connection.execute(set_head, {"head": "an older one"})
    try:
        response = await client.get("/readyz")
    finally:
        async with state["sql"].engine.begin() as connection:
            await connection.execute(set_head, {"head": expected_head()})
    assert response.status_code == 503
    assert "polystore migrate apply" in response.json()["postgresql"]["detail"]


async def test_readyz_missing_index_is_503(client: httpx2.AsyncClient, state: State) -> None:
    items = state["mongo"].database["items"]
    await items.drop_index("ix_items_name")
    try:
        response = await client.get("/readyz")
    finally:
        keys = [("deleted_at", 1), ("name", 1), ("_id", 1)]
        await items.create_index(keys, name="ix_items_name")
    assert response.status_code == 503
    assert response.json()["mongodb"]["missing_indexes"] == ["items.ix_items_name"]


@pytest.mark.parametrize(
    "figure",
    [
        'polystore_http_request_seconds_count{method="GET",route="/v1/users/{user_id}",status="422"}',
        'polystore_store{figure="connections_in_use",store="postgresql"} 0.0',
        'polystore_store{figure="connections_in_use",store="mongodb"} 0.0',
    ],
)
async def test_metrics_are_by_route_and_by_store(client: httpx2.AsyncClient, figure: str) -> None:
    await client.get("/v1/users/nobody")
    response = await client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    async with asyncio.timeout(30):  # the retention rules may be read meanwhile
        while figure not in (await client.get("/metrics")).text:
            await asyncio.sleep(0.01)
