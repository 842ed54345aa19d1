"""Placement of orders: the stock is taken once, the total is exact."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI

from service.main import State
from tests.fixtures.client import ADMINISTRATOR, client_as, member_caller
from tests.relational.catalog.factories import PRODUCTS, make_product, movements
from tests.relational.orders.factories import ORDERS, line, make_order, order
from tests.relational.users.factories import make_user


@pytest.fixture
async def buyer(
    app: FastAPI, state: State, client: httpx2.AsyncClient
) -> AsyncIterator[httpx2.AsyncClient]:
    user_id = (await make_user(client))["id"]
    async with client_as(member_caller(user_id), app, state) as buyer:
        yield buyer


async def stock_of(client: httpx2.AsyncClient, product: dict[str, str]) -> int:
    stock: int = (await client.get(f"{PRODUCTS}/{product['id']}")).json()["stock"]
    return stock


async def test_order_takes_from_stock_and_keeps_its_prices(
    buyer: httpx2.AsyncClient, client: httpx2.AsyncClient
) -> None:
    cup, spoon = await make_product(client, price="0.10"), await make_product(client, price="0.20")
    created = await make_order(buyer, line(cup, 3), line(spoon, 2), line(cup, 1))
    assert (created["total"], created["currency"], created["state"]) == ("0.80", "EUR", "placed")
    assert [(line["sku"], line["quantity"], line["amount"]) for line in created["lines"]] == [
        (cup["sku"], 3, "0.30"),
        (spoon["sku"], 2, "0.40"),
        (cup["sku"], 1, "0.10"),
    ]
    assert (await stock_of(client, cup), await stock_of(client, spoon)) == (56, 58)
    moved = (await movements(client, cup))[0]
    assert (moved["change"], moved["reason"], moved["order_id"]) == (-4, "ordered", created["id"])
    await client.patch(f"{PRODUCTS}/{cup['id']}", json={"price": "99.00", "name": "new"})
    assert (await buyer.get(f"{ORDERS}/{created['id']}")).json() == created


async def test_order_largest_total_is_exact(
    buyer: httpx2.AsyncClient, client: httpx2.AsyncClient
) -> None:
    product = await make_product(client, price="999999999999.99", stock=1_000_000)
    created = await make_order(buyer, line(product, 1_000_000))
    assert Decimal(created["total"]) == Decimal("999999999999.99") * 1_000_000


async def test_order_names_every_short_line_and_takes_nothing(
    buyer: httpx2.AsyncClient, client: httpx2.AsyncClient
) -> None:
    plenty, few, none = [await make_product(client, stock=stock) for stock in (60, 2, 0)]
    lines = [line(few, 1), line(plenty, 5), line(none, 1), line(few, 2)]
    rejected = await order(buyer, *lines)
    assert (rejected.status_code, rejected.json()["code"]) == (409, "not_enough_stock")
    assert [error["pointer"] for error in rejected.json()["errors"]] == [
        "/lines/0",
        "/lines/2",
        "/lines/3",
    ]
    assert await stock_of(client, plenty) == 60
    assert (await buyer.get(ORDERS)).json()["items"] == []


async def test_order_unknown_products_or_mixed_currencies_is_rejected(
    buyer: httpx2.AsyncClient, client: httpx2.AsyncClient
) -> None:
    euro, dollar = await make_product(client), await make_product(client, currency="USD")
    deleted = await make_product(client)
    await client.delete(f"{PRODUCTS}/{deleted['id']}")
    unknown = {"id": str(uuid4())}
    for lines, code, pointers in (
        ((line(euro), line(deleted), line(unknown)), "product_unknown", ["/lines/1", "/lines/2"]),
        ((line(euro), line(dollar)), "mixed_currencies", []),
    ):
        rejected = await order(buyer, *lines)
        problem = rejected.json()
        assert (rejected.status_code, problem["code"]) == (409, code)
        assert [error["pointer"] for error in problem.get("errors", [])] == pointers
    bodies: tuple[Any, ...] = (
        {"lines": []},
        {"lines": [line(euro, 0)]},
        {"lines": [line(euro)], "total": "0"},
    )
    for body in bodies:
        assert (await buyer.post(ORDERS, json=body)).status_code == 422


async def test_order_repeated_key_takes_nothing_more(
    buyer: httpx2.AsyncClient, client: httpx2.AsyncClient
) -> None:
    product = await make_product(client)
    key = {"Idempotency-Key": "cart 7"}
    first, again = [await order(buyer, line(product, 2), headers=key) for _ in range(2)]
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert await stock_of(client, product) == 58


async def test_order_concurrent_last_piece_is_sold_once(
    buyer: httpx2.AsyncClient, client: httpx2.AsyncClient
) -> None:
    product = await make_product(client, stock=1)
    responses = await asyncio.gather(*[order(buyer, line(product)) for _ in range(16)])
    assert sorted(response.status_code for response in responses) == [201] + [409] * 15
    assert await stock_of(client, product) == 0


async def test_order_concurrent_quantities_match_stock(
    buyer: httpx2.AsyncClient, client: httpx2.AsyncClient
) -> None:
    products = [await make_product(client, stock=15) for _ in range(6)]
    by_id = {product["id"]: product for product in products}
    chance = random.Random(7)
    sold: Counter[str] = Counter()

    async def shop(count: int) -> None:
        for _ in range(count):
            chosen = chance.sample(products, 3)  # in any order, because the lock sorts them
            response = await order(
                buyer, *[line(product, chance.randint(1, 3)) for product in chosen]
            )
            assert response.status_code in (201, 409, 503), response.text
            if response.status_code == 201:
                for sold_line in response.json()["lines"]:
                    sold[sold_line["product_id"]] += sold_line["quantity"]

    await asyncio.gather(*[shop(5) for _ in range(12)])
    for product_id, product in by_id.items():
        left = await stock_of(client, product)
        assert left == 15 - sold[product_id] >= 0
        assert sum(movement["change"] for movement in await movements(client, product)) == left


async def test_order_for_another_user_needs_an_administrator(
    buyer: httpx2.AsyncClient, client: httpx2.AsyncClient
) -> None:
    product, other = await make_product(client), await make_user(client)
    rejected = await order(buyer, line(product), user_id=other["id"])
    assert (rejected.status_code, rejected.json()["errors"][0]["pointer"]) == (403, "/user_id")
    created = await make_order(client, line(product), user_id=other["id"])
    assert (await buyer.get(f"{ORDERS}/{created['id']}")).status_code == 404
    unknown = await order(client, line(product), user_id=str(uuid4()))
    assert (unknown.status_code, unknown.json()["code"]) == (409, "buyer_unknown")
    assert ADMINISTRATOR.user_id is None
