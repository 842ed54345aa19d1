"""Products: exact prices, filters, versions and soft delete."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest

from service.main import State
from tests.relational.catalog.factories import (
    PRODUCTS,
    make_category,
    make_product,
    movements,
    product_body,
)
from tests.relational.users.statements import recorded_statements


async def skus(client: httpx2.AsyncClient, **query: Any) -> set[str]:
    response = await client.get(PRODUCTS, params={"count": "exact", **query})
    assert response.status_code == 200, response.text
    assert response.json()["total"] == len(response.json()["items"])
    return {product["sku"] for product in response.json()["items"]}


async def test_product_create_returns_what_was_sent(client: httpx2.AsyncClient) -> None:
    body = product_body(price="123456789012.34", description="good")
    response = await client.post(PRODUCTS, json=body)
    created = response.json()
    assert {name: created[name] for name in body} == body
    again = await client.get(response.headers["location"])
    assert (again.json(), again.headers["etag"]) == (created, '"1"')


@pytest.mark.parametrize("price", ["-1.00", "1.001", "1e3x", "1000000000000.00", None])
async def test_product_invalid_price_is_rejected(client: httpx2.AsyncClient, price: object) -> None:
    response = await client.post(PRODUCTS, json=product_body(price=price))
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/price")


@pytest.mark.parametrize("stock", [-1, 1.5, "7", 10**12])
async def test_product_invalid_stock_is_rejected(client: httpx2.AsyncClient, stock: object) -> None:
    response = await client.post(PRODUCTS, json=product_body(stock=stock))
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/stock")


async def test_product_sku_is_unique_whatever_the_case(client: httpx2.AsyncClient) -> None:
    made = await make_product(client)
    body = product_body(sku=made["sku"].lower())
    taken = await client.post(PRODUCTS, json=body)
    assert (taken.status_code, taken.json()["code"]) == (409, "sku_taken")


async def test_product_list_by_category_includes_subcategories(client: httpx2.AsyncClient) -> None:
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


async def test_product_list_filters_by_price_stock_currency_and_words(
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


async def test_product_expand_nests_category(client: httpx2.AsyncClient) -> None:
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
    names = {
        product["id"]: product["category"] and product["category"]["name"] for product in listed
    }
    assert names == {product["id"]: category["name"], bare["id"]: None}


async def test_product_change_with_stale_if_match_is_rejected(client: httpx2.AsyncClient) -> None:
    address = f"{PRODUCTS}/{(await make_product(client))['id']}"
    headers = {"If-Match": '"1"'}
    changed = await client.patch(address, json={"price": "8.49"}, headers=headers)
    assert (changed.json()["price"], changed.headers["etag"]) == ("8.49", '"2"')
    late = await client.patch(address, json={"stock": 1}, headers=headers)
    assert late.status_code == 412
    assert (await client.get(address)).json()["stock"] == 60


async def test_product_new_stock_is_recorded_as_a_count(client: httpx2.AsyncClient) -> None:
    product = await make_product(client, stock=5)
    address = f"{PRODUCTS}/{product['id']}"
    assert (await client.patch(address, json={"stock": 3, "name": "other"})).json()["stock"] == 3
    await client.patch(address, json={"stock": 3})
    recorded = [
        (movement["change"], movement["stock_after"], movement["reason"])
        for movement in await movements(client, product)
    ]
    assert recorded == [(-2, 3, "counted"), (5, 5, "initial")]


async def test_product_delete_hides_and_restore_returns_it(client: httpx2.AsyncClient) -> None:
    product = await make_product(client)
    address = f"{PRODUCTS}/{product['id']}"
    assert (await client.delete(address)).status_code == 204
    assert (await client.get(address)).status_code == 404
    assert (await client.patch(address, json={"name": "x"})).status_code == 404
    assert await skus(client) == set()
    assert await skus(client, deleted=True) == {product["sku"]}
    assert (await client.post(f"{address}/restore")).json()["deleted_at"] is None
    assert await skus(client) == {product["sku"]}


async def test_product_unknown_category_is_rejected(client: httpx2.AsyncClient) -> None:
    response = await client.post(PRODUCTS, json=product_body(category_id=str(uuid4())))
    assert (response.status_code, response.json()["code"]) == (409, "category_unknown")


async def test_product_list_statements_do_not_grow_with_the_page(
    client: httpx2.AsyncClient, state: State
) -> None:
    category = await make_category(client)
    for _ in range(6):
        await make_product(client, category_id=category["id"])
    counts = []
    for limit in (1, 6):
        query = {"limit": limit, "expand": "category", "category_id": category["id"]}
        with recorded_statements(state) as statements:
            await client.get(PRODUCTS, params=query)
        counts.append(len(statements))
    assert counts == [2, 2], "the subtree and the products"
