"""Reports: exact sums over stored rows."""

from typing import Any

import httpx2
import pytest
import sqlalchemy

from service.main import State
from tests.relational.catalog.factories import make_category, make_product
from tests.relational.orders.factories import line, make_order, step
from tests.relational.posts.factories import make_comment, make_post
from tests.relational.users.factories import make_user

REPORTS = "/v1/reports"


async def report(client: httpx2.AsyncClient, name: str, **query: Any) -> list[dict[str, Any]]:
    answer = await client.get(f"{REPORTS}/{name}", params=query)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["items"]
    return rows


async def run(state: State, statement: str, **values: Any) -> None:
    async with state["sql"].engine.begin() as connection:
        await connection.execute(sqlalchemy.text(statement), values)


async def test_sales_sums_paid_orders_by_day_category_and_currency(
    client: httpx2.AsyncClient, state: State
) -> None:
    coffee = await make_category(client, name="Coffee")
    cup = await make_product(client, category_id=coffee["id"], price="0.10")
    loose = await make_product(client, price="5.00", currency="USD")
    buyer = await make_user(client)
    orders = [
        await make_order(client, *lines, user_id=buyer["id"])
        for lines in ([line(cup, 3)], [line(cup, 1)], [line(loose, 2)], [line(cup)], [line(cup)])
    ]
    for order in orders[:4]:
        await step(client, order, "pay")
    await step(client, orders[3], "cancel")
    moved = "UPDATE orders SET paid_at = '2026-03-01T23:59:59Z' WHERE id = :id"
    await run(state, moved, id=orders[0]["id"])
    await run(state, moved.replace("03-01T23:59:59", "03-02T00:00:00"), id=orders[1]["id"])
    await run(state, moved.replace("03-01", "03-01"), id=orders[2]["id"])
    march = {"from": "2026-03-01T00:00:00Z", "to": "2026-03-03T00:00:00Z"}
    row = {"category_id": coffee["id"], "category": "Coffee", "currency": "EUR", "orders": 1}
    assert await report(client, "sales", **march) == [
        {**row, "day": "2026-03-01", "quantity": 3, "amount": "0.30"},
        {
            "day": "2026-03-01",
            "category_id": None,
            "category": None,
            "currency": "USD",
            "orders": 1,
            "quantity": 2,
            "amount": "10.00",
        },
        {**row, "day": "2026-03-02", "quantity": 1, "amount": "0.10"},
    ]
    whole = (await client.get(f"{REPORTS}/sales", params=march)).json()
    assert (whole["from"], whole["to"]) == ("2026-03-01T00:00:00.000Z", "2026-03-03T00:00:00.000Z")
    assert whole["as_of"] > whole["to"]


async def test_authors_counts_published_posts(client: httpx2.AsyncClient) -> None:
    viewed = await make_post(client, published=True)
    more = await make_post(client, published=True, author_id=viewed["author_id"])
    other = await make_post(client, published=True)
    await make_post(client, author_id=other["author_id"])
    for _ in range(2):
        await client.post(f"/v1/posts/{viewed['id']}/views")
    await make_comment(client, viewed)
    await make_comment(client, more)
    first, second = await report(client, "top_authors")
    assert (first["author_id"], first["posts"], first["views"], first["comments"]) == (
        viewed["author_id"],
        2,
        2,
        2,
    )
    assert (second["author_id"], second["posts"], second["comments"]) == (other["author_id"], 1, 0)
    assert len(await report(client, "top_authors", limit=1)) == 1


async def test_stock_sums_value_by_category_and_currency(client: httpx2.AsyncClient) -> None:
    coffee = await make_category(client, name="Coffee")
    for price, stock in (("0.10", 3), ("999999999999.99", 1000)):
        await make_product(client, category_id=coffee["id"], price=price, stock=stock)
    gone = await make_product(client, stock=9)
    await client.delete(f"/v1/products/{gone['id']}")
    assert await report(client, "stock_value") == [
        {
            "category_id": coffee["id"],
            "category": "Coffee",
            "currency": "EUR",
            "products": 2,
            "units": 1003,
            "value": "999999999999990.30",
        }
    ]


async def test_users_are_counted_by_day(client: httpx2.AsyncClient, state: State) -> None:
    for day in ("2026-02-27", "2026-03-01", "2026-03-01", "2026-03-05"):
        user = await make_user(client)
        changed = "UPDATE users SET created_at = CAST(:day AS timestamptz) WHERE id = :id"
        await run(state, changed.replace(":day", f"'{day}T12:00:00Z'"), id=user["id"])
    period = {"from": "2026-03-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"}
    assert await report(client, "user_growth", **period) == [
        {"day": "2026-03-01", "new": 2, "total": 3},
        {"day": "2026-03-05", "new": 1, "total": 4},
    ]


@pytest.mark.parametrize(
    "query",
    [
        {"from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"},
        {"from": "2024-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"},
        {"from": "yesterday"},
        {"limit": 0},
    ],
)
async def test_report_invalid_period_is_refused(
    client: httpx2.AsyncClient, query: dict[str, Any]
) -> None:
    answer = await client.get(f"{REPORTS}/top_authors", params=query)
    assert answer.status_code == 422
    assert answer.json()["errors"]
