"""Stock: every change is a movement, and no stock falls below 0."""

import asyncio

import httpx2

from tests.relational.catalog.factories import PRODUCTS, adjust, make_product, movements


async def test_adjustment_is_recorded_with_its_reason(client: httpx2.AsyncClient) -> None:
    product = await make_product(client, stock=0)
    response = await adjust(client, product, 5, note="from Turin")
    assert (response.json()["stock"], response.headers["etag"]) == (5, '"2"')
    (moved,) = await movements(client, product)
    recorded = {
        name: moved[name] for name in ("change", "stock_after", "reason", "note", "order_id")
    }
    assert recorded == {
        "change": 5,
        "stock_after": 5,
        "reason": "received",
        "note": "from Turin",
        "order_id": None,
    }


async def test_adjustment_below_zero_or_of_zero_is_rejected(client: httpx2.AsyncClient) -> None:
    product = await make_product(client, stock=2)
    rejected = await adjust(client, product, -3)
    assert (rejected.status_code, rejected.json()["code"]) == (409, "not_enough_stock")
    nothing = await adjust(client, product, 0)
    assert (nothing.status_code, nothing.json()["code"]) == (409, "no_movement")
    assert (await client.get(f"{PRODUCTS}/{product['id']}")).json()["stock"] == 2
    assert len(await movements(client, product)) == 1


async def test_adjustment_concurrent_takes_no_more_than_is_in_stock(
    client: httpx2.AsyncClient,
) -> None:
    product = await make_product(client, stock=10)
    responses = await asyncio.gather(*[adjust(client, product, -1) for _ in range(24)])
    statuses = [response.status_code for response in responses]
    assert set(statuses) <= {200, 409, 503}
    left = (await client.get(f"{PRODUCTS}/{product['id']}")).json()["stock"]
    assert left == 10 - statuses.count(200) >= 0
    moved = await movements(client, product)
    assert sum(movement["change"] for movement in moved) == left
    afters = [movement["stock_after"] for movement in moved]
    assert afters == sorted(afters), "newest first, each one smaller"


async def test_adjustment_repeated_key_is_applied_once(client: httpx2.AsyncClient) -> None:
    product = await make_product(client, stock=1)
    address = f"{PRODUCTS}/{product['id']}/stock_adjustments"
    body, key = {"change": 4, "reason": "received"}, {"Idempotency-Key": "delivery 7"}
    for _ in range(2):
        assert (await client.post(address, json=body, headers=key)).json()["stock"] == 5
    assert len(await movements(client, product)) == 2


async def test_adjustment_and_movements_of_unknown_product_are_404(
    client: httpx2.AsyncClient,
) -> None:
    unknown = {"id": "01930d6e-0000-7000-8000-000000000000"}
    assert (await adjust(client, unknown, 1)).status_code == 404
    response = await client.get(f"{PRODUCTS}/{unknown['id']}/stock_movements")
    assert response.status_code == 404
