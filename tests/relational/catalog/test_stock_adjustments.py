"""Stock: every change is a movement, and none goes below 0."""

import asyncio

import httpx2

from tests.relational.catalog.factories import PRODUCTS, adjust, make_product, movements


async def test_an_adjustment_is_kept_with_its_reason(client: httpx2.AsyncClient) -> None:
    product = await make_product(client, stock=0)
    answer = await adjust(client, product, 5, note="from Turin")
    assert (answer.json()["stock"], answer.headers["etag"]) == (5, '"2"')
    (moved,) = await movements(client, product)
    told = {name: moved[name] for name in ("change", "stock_after", "reason", "note", "order_id")}
    assert told == {
        "change": 5,
        "stock_after": 5,
        "reason": "received",
        "note": "from Turin",
        "order_id": None,
    }


async def test_stock_does_not_fall_below_zero(client: httpx2.AsyncClient) -> None:
    product = await make_product(client, stock=2)
    refused = await adjust(client, product, -3)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_enough_stock")
    nothing = await adjust(client, product, 0)
    assert (nothing.status_code, nothing.json()["code"]) == (409, "no_movement")
    assert (await client.get(f"{PRODUCTS}/{product['id']}")).json()["stock"] == 2
    assert len(await movements(client, product)) == 1


async def test_many_at_once_take_what_is_there_and_no_more(client: httpx2.AsyncClient) -> None:
    product = await make_product(client, stock=10)
    answers = await asyncio.gather(*[adjust(client, product, -1) for _ in range(24)])
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) <= {200, 409, 503}
    left = (await client.get(f"{PRODUCTS}/{product['id']}")).json()["stock"]
    assert left == 10 - statuses.count(200) >= 0
    moved = await movements(client, product)
    assert sum(each["change"] for each in moved) == left
    afters = [each["stock_after"] for each in moved]
    assert afters == sorted(afters), "newest first, each one less"


async def test_a_repeated_adjustment_is_done_once(client: httpx2.AsyncClient) -> None:
    product = await make_product(client, stock=1)
    address = f"{PRODUCTS}/{product['id']}/stock_adjustments"
    body, key = {"change": 4, "reason": "received"}, {"Idempotency-Key": "delivery 7"}
    for _ in range(2):
        assert (await client.post(address, json=body, headers=key)).json()["stock"] == 5
    assert len(await movements(client, product)) == 2


async def test_movements_are_of_a_product_that_is_there(client: httpx2.AsyncClient) -> None:
    unknown = {"id": "01930d6e-0000-7000-8000-000000000000"}
    assert (await adjust(client, unknown, 1)).status_code == 404
    answer = await client.get(f"{PRODUCTS}/{unknown['id']}/stock_movements")
    assert answer.status_code == 404
