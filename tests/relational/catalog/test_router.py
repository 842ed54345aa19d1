"""Products: exact prices, filters, versions, soft delete."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import event

from service.main import State
from tests.relational.catalog.factories import (
    PRODUCTS,
    make_category,
    make_product,
    movements,
    product_body,
)


async def skus(client: httpx2.AsyncClient, **query: Any) -> set[str]:
    answer = await client.get(PRODUCTS, params={"count": "exact", **query})
    assert answer.status_code == 200, answer.text
    assert answer.json()["total"] == len(answer.json()["items"])
    return {product["sku"] for product in answer.json()["items"]}


async def test_a_product_is_what_was_sent(client: httpx2.AsyncClient) -> None:
    body = product_body(price="123456789012.34", description="good")
    answer = await client.post(PRODUCTS, json=body)
    made = answer.json()
    assert {name: made[name] for name in body} == body
    again = await client.get(answer.headers["location"])
    assert (again.json(), again.headers["etag"]) == (made, '"1"')


@pytest.mark.parametrize("price", ["-1.00", "1.001", "1e3x", "1000000000000.00", None])
async def test_an_odd_price_is_refused(client: httpx2.AsyncClient, price: object) -> None:
    answer = await client.post(PRODUCTS, json=product_body(price=price))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/price")


@pytest.mark.parametrize("stock", [-1, 1.5, "7", 10**12])
async def test_an_odd_stock_is_refused(client: httpx2.AsyncClient, stock: object) -> None:
    answer = await client.post(PRODUCTS, json=product_body(stock=stock))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/stock")


async def test_a_sku_is_unique_whatever_the_case(client: httpx2.AsyncClient) -> None:
    made = await make_product(client)
    body = product_body(sku=made["sku"].lower())
    taken = await client.post(PRODUCTS, json=body)
    assert (taken.status_code, taken.json()["code"]) == (409, "sku_taken")


async def test_a_category_holds_what_is_below_it(client: httpx2.AsyncClient) -> None:
    top = await make_category(client)
    middle = await make_category(client, parent_id=top["id"])
    leaf = await make_category(client, parent_id=middle["id"])
    places = {
        category["id"]: (await make_product(client, category_id=category["id"]))["sku"]
        for category in (top, middle, leaf)
    }
    await make_product(client)
    assert await skus(client, category_id=top["id"]) == set(places.values())
    assert await skus(client, category_id=middle["id"]) == {
        places[middle["id"]],
        places[leaf["id"]],
    }
    assert await skus(client, category_id=leaf["id"]) == {places[leaf["id"]]}
    assert await skus(client, category_id=str(uuid4())) == set()


async def test_products_are_found_by_price_stock_currency_and_words(
    client: httpx2.AsyncClient,
) -> None:
    cheap = await make_product(client, price="1.00", stock=0, name="Coffee spoon")
    dear = await make_product(client, price="100.00", currency="USD", description="for coffee")
    assert await skus(client, price__gte="1.01") == {dear["sku"]}
    assert await skus(client, price__lte="1.00") == {cheap["sku"]}
    assert await skus(client, in_stock=True) == {dear["sku"]}
    assert await skus(client, in_stock=False) == {cheap["sku"]}
    assert await skus(client, currency="USD") == {dear["sku"]}
    assert await skus(client, q="coff") == {cheap["sku"], dear["sku"]}
    assert await skus(client, q="spo cof") == {cheap["sku"]}


async def test_a_category_is_nested_on_request(client: httpx2.AsyncClient) -> None:
    category = await make_category(client)
    product, bare = (
        await make_product(client, category_id=category["id"]),
        await make_product(client),
    )
    address = f"{PRODUCTS}/{product['id']}"
    assert "category" not in (await client.get(address)).json()
    nested = await client.get(address, params={"expand": "category"})
    assert nested.json()["category"] == {"id": category["id"], "name": category["name"]}
    assert nested.headers["etag"] != (await client.get(address)).headers["etag"]
    listed = (await client.get(PRODUCTS, params={"expand": "category"})).json()["items"]
    names = {each["id"]: each["category"] and each["category"]["name"] for each in listed}
    assert names == {product["id"]: category["name"], bare["id"]: None}


async def test_a_price_is_changed_only_as_it_was_read(client: httpx2.AsyncClient) -> None:
    address = f"{PRODUCTS}/{(await make_product(client))['id']}"
    headers = {"If-Match": '"1"'}
    changed = await client.patch(address, json={"price": "8.49"}, headers=headers)
    assert (changed.json()["price"], changed.headers["etag"]) == ("8.49", '"2"')
    late = await client.patch(address, json={"stock": 1}, headers=headers)
    assert late.status_code == 412
    assert (await client.get(address)).json()["stock"] == 60


async def test_a_new_stock_is_kept_as_a_count(client: httpx2.AsyncClient) -> None:
    product = await make_product(client, stock=5)
    address = f"{PRODUCTS}/{product['id']}"
    assert (await client.patch(address, json={"stock": 3, "name": "other"})).json()["stock"] == 3
    await client.patch(address, json={"stock": 3})
    told = [
        (each["change"], each["stock_after"], each["reason"])
        for each in await movements(client, product)
    ]
    assert told == [(-2, 3, "counted"), (5, 5, "initial")]


async def test_a_deleted_product_comes_back(client: httpx2.AsyncClient) -> None:
    product = await make_product(client)
    address = f"{PRODUCTS}/{product['id']}"
    assert (await client.delete(address)).status_code == 204
    assert (await client.get(address)).status_code == 404
    assert (await client.patch(address, json={"name": "x"})).status_code == 404
    assert await skus(client) == set()
    assert await skus(client, deleted=True) == {product["sku"]}
    assert (await client.post(f"{address}/restore")).json()["deleted_at"] is None
    assert await skus(client) == {product["sku"]}


async def test_an_unknown_category_is_refused(client: httpx2.AsyncClient) -> None:
    answer = await client.post(PRODUCTS, json=product_body(category_id=str(uuid4())))
    assert (answer.status_code, answer.json()["code"]) == (409, "category_unknown")


async def test_a_longer_page_takes_no_more_statements(
    client: httpx2.AsyncClient, state: State
) -> None:
    category = await make_category(client)
    for _ in range(6):
        await make_product(client, category_id=category["id"])
    seen: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    engine = state["sql"].engine.sync_engine
    counts = []
    event.listen(engine, "before_cursor_execute", note)
    for limit in (1, 6):
        seen.clear()
        query = {"limit": limit, "expand": "category", "category_id": category["id"]}
        await client.get(PRODUCTS, params=query)
        counts.append(len(seen))
    event.remove(engine, "before_cursor_execute", note)
    assert counts[0] == counts[1] == 2, "the tree of the category, and the products"
