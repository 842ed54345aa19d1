"""Concurrent bulk changes of products: they wait for each other and never deadlock."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx2
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from service.main import State
from tests.relational.catalog.factories import (
    BULK,
    DELETE,
    NDJSON,
    PRODUCTS,
    list_products,
    make_products,
    movements,
    product_body,
    to_lines,
)
from tests.web.bulk import NON_ATOMIC, deadlocks, item_results


async def send_rounds(state: State, requests: Callable[[int], list[Any]], count: int = 3) -> None:
    """Send the requests of each round at once; some may find PostgreSQL busy."""
    with deadlocks(state) as errors:
        for number in range(count):
            responses = await asyncio.gather(*requests(number))
            statuses = [response.status_code for response in responses]
            assert set(statuses) <= {200, 207, 503}
            assert statuses.count(503) < len(statuses)
    assert errors == []


async def test_bulk_overlapping_requests_never_deadlock(
    client: httpx2.AsyncClient, state: State
) -> None:
    stored = await make_products(client, 120)
    chance = random.Random(7)

    def shuffled(items: list[Any]) -> list[Any]:
        return chance.sample(items, len(items))

    def requests(_number: int) -> list[Any]:
        patched = [{"id": product["id"], "stock": chance.randrange(9)} for product in stored]
        put = [product_body(sku=product["sku"]) for product in stored] + [
            product_body() for _ in "1234"
        ]
        file = to_lines(*shuffled(put))
        deleted = [product["id"] for product in stored[:4]]
        return [
            client.patch(BULK, params=NON_ATOMIC, json={"items": shuffled(patched)}),
            *[client.put(BULK, params=NON_ATOMIC, json={"items": shuffled(put)}) for _ in range(3)],
            client.post(DELETE, params=NON_ATOMIC, json={"items": deleted}),
            client.post(f"{PRODUCTS}/import", content=file, headers={"Content-Type": NDJSON}),
        ]

    await send_rounds(state, requests)
    async with state["sql"].engine.connect() as connection:
        wrong = await connection.scalar(
            text(
                "SELECT count(*) FROM products WHERE stock <> (SELECT coalesce(sum(change), 0)"
                " FROM stock_movements WHERE product_id = products.id)"
            )
        )
    assert wrong == 0, "every change of stock is a movement"


WAITING_COUNT = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@asynccontextmanager
async def block_skus(state: State, count: int, tasks: list[Any]) -> AsyncIterator[AsyncConnection]:
    """Yield a transaction that has inserted N-50, once ``count`` tasks wait for it."""
    insert = text(
        "INSERT INTO products (id, sku, name, price, currency) VALUES (:id, 'N-50', 'x', 1, 'EUR')"
    )
    engine = state["sql"].engine
    async with engine.connect() as blocker, engine.connect() as watch:
        await blocker.execute(insert, {"id": uuid4()})
        tasks[:] = [asyncio.ensure_future(task) for task in tasks]
        autocommit = await watch.execution_options(isolation_level="AUTOCOMMIT")
        async with asyncio.timeout(30):
            while await autocommit.scalar(WAITING_COUNT) != count:
                pass
        yield blocker


async def test_bulk_patch_concurrently_taken_sku_fails_its_item_only(
    client: httpx2.AsyncClient, state: State
) -> None:
    one, two = await make_products(client, 2)
    items = [{"id": one["id"], "sku": "n-50"}, {"id": two["id"], "sku": "N-51", "stock": 1}]
    tasks = [client.patch(BULK, params=NON_ATOMIC, json={"items": items})]
    async with block_skus(state, 1, tasks) as blocker:
        await blocker.commit()
    (response,) = await asyncio.gather(*tasks)
    assert item_results(response) == [(409, "sku_taken", ["/items/0/sku"]), (200, None, [])]
    assert len(await movements(client, two)) == 2


async def test_bulk_same_skus_never_deadlock(client: httpx2.AsyncClient, state: State) -> None:
    one, other = await make_products(client, 100), await make_products(client, 100)
    names = [f"N-{n}" for n in range(100)]

    def renamed(products: list[dict[str, Any]], names: list[str]) -> Any:
        pairs = zip(products, names, strict=True)
        items = [{"id": product["id"], "sku": name} for product, name in pairs]
        return client.patch(BULK, params=NON_ATOMIC, json={"items": items})

    bodies = [product_body(sku=name) for name in names]
    tasks = [
        renamed(one, names),
        renamed(other, names[::-1]),
        client.post(BULK, params=NON_ATOMIC, json={"items": bodies}),
        client.put(BULK, params=NON_ATOMIC, json={"items": bodies[::-1]}),
    ]
    with deadlocks(state) as errors:
        async with block_skus(state, len(tasks), tasks) as blocker:
            await blocker.rollback()
        responses = await asyncio.gather(*tasks)
    assert errors == []
    assert {response.status_code for response in responses} == {207}
    owners = [item["id"] for item in await list_products(client) if item["sku"] in names]
    assert len(owners) == 100


async def test_bulk_put_concurrent_creates_each_product_once(
    client: httpx2.AsyncClient,
) -> None:
    bodies = [product_body() for _ in range(100)]
    orders = [bodies, bodies[::-1], bodies[50:] + bodies[:50]]
    responses = await asyncio.gather(*[client.put(BULK, json={"items": order}) for order in orders])
    assert [response.status_code for response in responses] == [200] * 3
    created = [
        item["id"]
        for response in responses
        for item in response.json()["items"]
        if item["status"] == 201
    ]
    assert len(created) == len(set(created)) == 100
