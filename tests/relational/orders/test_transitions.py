"""Transitions of an order, each once and in its order; and the list of orders."""

import asyncio
from typing import Any

import httpx2
import pytest

from service.main import State
from tests.relational.catalog.factories import PRODUCTS, make_product, movements
from tests.relational.orders.factories import ORDERS, line, make_order, step
from tests.relational.users.factories import make_user
from tests.relational.users.statements import recorded_statements

TRANSITIONS = ("pay", "fulfill", "cancel")
# The state after each transition, by the transitions before it; None is an error.
TABLE: dict[tuple[str, ...], dict[str, str | None]] = {
    (): {"pay": "paid", "fulfill": None, "cancel": "cancelled"},
    ("pay",): {"pay": None, "fulfill": "fulfilled", "cancel": "cancelled"},
    ("pay", "fulfill"): {"pay": None, "fulfill": None, "cancel": None},
    ("cancel",): {"pay": None, "fulfill": None, "cancel": None},
}


@pytest.fixture
async def placed(client: httpx2.AsyncClient) -> dict[str, Any]:
    product = await make_product(client, stock=9)
    user = await make_user(client)
    return await make_order(client, line(product, 4), user_id=user["id"])


@pytest.mark.parametrize("name", TRANSITIONS)
@pytest.mark.parametrize("before", TABLE)
async def test_transition_is_allowed_only_from_its_states(
    client: httpx2.AsyncClient, placed: dict[str, Any], before: tuple[str, ...], name: str
) -> None:
    for transition in before:
        assert (await step(client, placed, transition)).status_code == 200
    response = await step(client, placed, name)
    after = TABLE[before][name]
    if after is None:
        assert (response.status_code, response.json()["code"]) == (409, "wrong_state")
    else:
        assert response.json()["state"] == after
        assert response.json()[f"{after}_at"] is not None


async def test_cancel_concurrent_returns_stock_once(
    client: httpx2.AsyncClient, placed: dict[str, Any]
) -> None:
    product = {"id": placed["lines"][0]["product_id"]}
    # The stock of deleted products is returned too.
    await client.delete(f"{PRODUCTS}/{product['id']}")
    responses = await asyncio.gather(*[step(client, placed, "cancel") for _ in range(8)])
    assert sorted(response.status_code for response in responses) == [200] + [409] * 7
    back = (await client.post(f"{PRODUCTS}/{product['id']}/restore")).json()
    assert back["stock"] == 9
    assert [movement["change"] for movement in await movements(client, product)] == [4, -4, 9]


async def test_pay_and_cancel_concurrent_end_cancelled(
    client: httpx2.AsyncClient, placed: dict[str, Any]
) -> None:
    paid, cancelled = await asyncio.gather(
        step(client, placed, "pay"), step(client, placed, "cancel")
    )
    assert cancelled.status_code == 200
    assert paid.status_code in (200, 409)
    assert (await client.get(f"{ORDERS}/{placed['id']}")).json()["state"] == "cancelled"


async def test_transition_with_stale_if_match_is_rejected(
    client: httpx2.AsyncClient, placed: dict[str, Any]
) -> None:
    address = f"{ORDERS}/{placed['id']}/pay"
    assert (await client.post(address, headers={"If-Match": '"7"'})).status_code == 412
    assert (await client.post(address, headers={"If-Match": '"1"'})).headers["etag"] == '"2"'


async def test_order_list_filters_and_loads_lines_in_one_statement(
    client: httpx2.AsyncClient, placed: dict[str, Any], state: State
) -> None:
    other = await make_user(client)
    product = await make_product(client)
    more = [await make_order(client, line(product), user_id=other["id"]) for _ in range(3)]
    await step(client, more[0], "pay")
    for query, expected in (
        ({"user_id": placed["user_id"]}, [placed["id"]]),
        ({"state": "paid"}, [more[0]["id"]]),
        ({"created_at__lt": placed["created_at"]}, []),
        ({}, [found["id"] for found in reversed([placed, *more])]),
    ):
        listed = (await client.get(ORDERS, params=query)).json()["items"]
        assert [found["id"] for found in listed] == expected
        assert all(found["lines"] for found in listed)
    with recorded_statements(state) as statements:
        for limit in (1, 4):
            await client.get(ORDERS, params={"limit": limit})
    assert len(statements) == 4, "the page and its lines, whatever its length"
