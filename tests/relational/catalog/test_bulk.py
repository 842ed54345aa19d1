"""Bulk changes of products: all, none, or each by itself, in a fixed number of statements."""

from uuid import uuid4

import httpx2
import pytest

from service.main import State
from tests.relational.catalog.factories import (
    BULK,
    DELETE,
    PRODUCTS,
    list_products,
    make_category,
    make_product,
    make_products,
    movements,
    product_body,
)
from tests.relational.users.statements import recorded_statements
from tests.web.bulk import NON_ATOMIC, item_results, status_code_places

UNKNOWN = "01930d6e-0000-7000-8000-000000000000"


async def test_bulk_create_equals_single_creates(client: httpx2.AsyncClient) -> None:
    one = (await make_products(client, 60))[42]
    assert (await client.get(f"{PRODUCTS}/{one['id']}")).json() == one
    (moved,) = await movements(client, one)
    assert (moved["reason"], moved["change"], moved["stock_after"]) == ("initial", 60, 60)


async def test_bulk_create_atomic_names_every_error_and_creates_nothing(
    client: httpx2.AsyncClient,
) -> None:
    known = await make_product(client)
    taken = [product_body(sku=known["sku"].lower()) for _ in range(30)]
    stray = product_body(category_id=UNKNOWN)
    response = await client.post(BULK, json={"items": [product_body(), *taken, stray]})
    status, code, places = status_code_places(response)
    assert (status, code) == (409, "items_refused")
    assert places == [
        *[(f"/items/{place}/sku", "sku_taken") for place in range(1, 31)],
        ("/items/31/category_id", "category_unknown"),
    ]
    assert await list_products(client) == [known]
    alike = await client.post(BULK, json={"items": [product_body(), *taken]})
    assert status_code_places(alike)[:2] == (409, "sku_taken")
    broken = [product_body(), product_body(stock=-1), product_body(sku=None)]
    response = await client.post(BULK, json={"items": broken})
    assert (response.status_code, [place for place, _ in status_code_places(response)[2]]) == (
        422,
        ["/items/1/stock", "/items/2/sku"],
    )
    assert await list_products(client) == [known]


async def test_bulk_create_non_atomic_keeps_valid_items(client: httpx2.AsyncClient) -> None:
    known, twice = await make_product(client), product_body()
    items = [
        twice,
        product_body(colour="red"),
        product_body(sku=known["sku"]),
        {**twice, "name": "again"},
        "no object",
        product_body(category_id=UNKNOWN),
        product_body(stock=0),
    ]
    response = await client.post(BULK, params=NON_ATOMIC, json={"items": items})
    assert item_results(response) == [
        (201, None, []),
        (422, "invalid", ["/items/1/colour"]),
        (409, "sku_taken", ["/items/2/sku"]),
        (409, "sku_taken", ["/items/3/sku"]),
        (422, "invalid", ["/items/4"]),
        (409, "category_unknown", ["/items/5/category_id"]),
        (201, None, []),
    ]
    first = response.json()["items"][0]
    stored = (await client.get(f"{PRODUCTS}/{first['id']}")).json()
    assert (stored["sku"], stored["name"], stored["version"]) == (
        twice["sku"],
        "thing",
        first["version"],
    )
    assert len(await list_products(client)) == 3


async def test_bulk_create_repeated_key_replays_statuses(client: httpx2.AsyncClient) -> None:
    body, key = {"items": [product_body(), product_body(stock=-1)]}, {"Idempotency-Key": "bulk 1"}
    first = await client.post(BULK, params=NON_ATOMIC, json=body, headers=key)
    again = await client.post(BULK, params=NON_ATOMIC, json=body, headers=key)
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.status_code, again.content) == (207, first.content)
    assert len(await list_products(client)) == 1


async def test_bulk_patch_changes_named_fields_only(client: httpx2.AsyncClient) -> None:
    category = await make_category(client)
    one, two, three = await make_products(client, 3)
    items = [
        {"id": three["id"], "stock": 7, "category_id": category["id"]},
        {"id": one["id"], "version": 1, "price": "1.50", "sku": one["sku"].lower()},
        {"id": two["id"], "stock": 60},
    ]
    response = await client.patch(BULK, json={"items": items})
    assert response.status_code == 200, response.text
    changed = response.json()["items"]
    for before, after, fields in (
        (three, changed[0], {"stock": 7, "category_id": category["id"]}),
        (one, changed[1], {"price": "1.50", "sku": one["sku"].lower()}),
        (two, changed[2], {}),
    ):
        assert after == {**before, **fields, "version": 2, "updated_at": after["updated_at"]}
        assert (await client.get(f"{PRODUCTS}/{after['id']}")).json() == after
    counted = [
        (movement["reason"], movement["change"]) for movement in await movements(client, three)
    ]
    assert counted == [("counted", -53), ("initial", 60)]
    assert len(await movements(client, two)) == 1
    cleared = {"items": [{"id": three["id"], "category_id": None}]}
    (after,) = (await client.patch(BULK, json=cleared)).json()["items"]
    assert (after["category_id"], after["stock"]) == (None, 7)


async def test_bulk_patch_reports_errors_per_item(client: httpx2.AsyncClient) -> None:
    one, two, three, deleted = await make_products(client, 4)
    await client.delete(f"{PRODUCTS}/{deleted['id']}")
    items = [
        {"id": one["id"], "sku": "fresh"},
        {"id": UNKNOWN, "name": "x"},
        {"id": two["id"], "version": 2, "name": "x"},
        {"id": three["id"], "sku": "FRESH"},
        {"id": one["id"], "name": "x"},
        {"id": deleted["id"], "name": "x"},
        {"name": "x"},
    ]
    places = [
        (404, "product_not_found", ["/items/1/id"]),
        (412, "precondition_failed", ["/items/2/version"]),
        (409, "sku_taken", ["/items/3/sku"]),
        (422, "repeated", ["/items/4/id"]),
        (404, "product_not_found", ["/items/5/id"]),
    ]
    rejected = await client.patch(BULK, json={"items": items[:-1]})
    status, code, errors = status_code_places(rejected)
    assert (status, code) == (409, "items_refused")
    assert errors == [(pointer, kind) for _, kind, (pointer,) in places]
    unchanged = {product["id"]: product["version"] for product in await list_products(client)}
    assert unchanged == {product["id"]: 1 for product in (one, two, three)}

    response = await client.patch(BULK, params=NON_ATOMIC, json={"items": items})
    assert item_results(response) == [(200, None, []), *places, (422, "invalid", ["/items/6/id"])]
    versions = {product["id"]: product["version"] for product in await list_products(client)}
    assert versions == {one["id"]: 2, two["id"]: 1, three["id"]: 1}
    swap = [{"id": one["id"], "sku": three["sku"]}, {"id": three["id"], "sku": "fresh"}]
    response = await client.patch(BULK, json={"items": swap})
    assert status_code_places(response)[:2] == (409, "sku_taken")


async def test_bulk_put_creates_new_and_changes_stored_products(client: httpx2.AsyncClient) -> None:
    known, deleted = await make_products(client, 2)
    await client.delete(f"{PRODUCTS}/{deleted['id']}")
    fresh = product_body()
    items = [
        product_body(sku=known["sku"].lower(), stock=61),
        fresh,
        product_body(sku=deleted["sku"], name="back"),
    ]
    response = await client.put(BULK, json={"items": items})
    assert response.status_code == 200, response.text
    put = response.json()["items"]
    assert [result["status"] for result in put] == [200, 201, 200]
    assert [result["version"] for result in put] == [2, 1, 3]
    assert [put[0]["id"], put[2]["id"]] == [known["id"], deleted["id"]]
    now = {product["id"]: product for product in await list_products(client)}
    assert now[known["id"]]["sku"] == known["sku"].lower()
    assert now[deleted["id"]]["name"] == "back"
    counted = [
        (movement["reason"], movement["change"]) for movement in await movements(client, known)
    ]
    assert counted == [("counted", 1), ("initial", 60)]

    again = [fresh, {**fresh, "sku": fresh["sku"].lower()}, product_body(price="x")]
    response = await client.put(BULK, params=NON_ATOMIC, json={"items": again})
    assert item_results(response) == [
        (200, None, []),
        (422, "repeated", ["/items/1/sku"]),
        (422, "invalid", ["/items/2/price"]),
    ]
    assert (await client.put(BULK, json={"items": again[:2]})).status_code == 422


async def test_bulk_delete_removes_all_or_existing_products(client: httpx2.AsyncClient) -> None:
    ids = [product["id"] for product in await make_products(client, 3)]
    response = await client.post(DELETE, json={"items": [ids[0], UNKNOWN]})
    assert status_code_places(response) == (
        404,
        "product_not_found",
        [("/items/1", "product_not_found")],
    )
    assert len(await list_products(client)) == 3
    response = await client.post(
        DELETE, params=NON_ATOMIC, json={"items": [ids[1], UNKNOWN, ids[1], 7]}
    )
    assert item_results(response) == [
        (204, None, []),
        (404, "product_not_found", ["/items/1"]),
        (204, None, []),
        (422, "invalid", ["/items/3"]),
    ]
    response = await client.post(DELETE, json={"items": [ids[2], ids[0]]})
    assert (response.status_code, response.content) == (204, b"")
    assert await list_products(client) == []
    assert (await client.post(f"{PRODUCTS}/{ids[0]}/restore")).status_code == 200


@pytest.mark.parametrize("params", [{}, NON_ATOMIC])
async def test_bulk_of_1000_takes_as_many_statements_as_of_2(
    client: httpx2.AsyncClient, state: State, params: dict[str, str]
) -> None:
    category = await make_category(client)
    counts = []
    for many in (2, 1000):
        bodies = [product_body(category_id=category["id"], stock=n + 1) for n in range(many)]
        again = [{**body, "stock": 0} for body in bodies[: many // 2]]
        again += [product_body() for _ in range(many // 2)]
        with recorded_statements(state) as statements:
            response = await client.post(BULK, json={"items": bodies})
            ids = [product["id"] for product in response.json()["items"]]
            put = await client.put(BULK, params=params, json={"items": again})
            patches = [
                {"id": key, "sku": f"N-{uuid4().hex}", "stock": 3, "category_id": category["id"]}
                for key in ids
            ]
            patched = await client.patch(BULK, params=params, json={"items": patches})
            removed = await client.post(DELETE, params=params, json={"items": ids})
        expected = [201, *[207] * 3] if params else [201, 200, 200, 204]
        assert [answer.status_code for answer in (response, put, patched, removed)] == expected
        assert all(isinstance(parameters, tuple) for _, parameters in statements), (
            "no statement is sent several times"
        )
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 24, counts


async def test_bulk_accepts_1_to_1000_items(client: httpx2.AsyncClient) -> None:
    for method, address in (("POST", BULK), ("PATCH", BULK), ("PUT", BULK), ("POST", DELETE)):
        for items in ([], [UNKNOWN] * 1001):
            response = await client.request(
                method, address, params=NON_ATOMIC, json={"items": items}
            )
            assert (response.status_code, status_code_places(response)[2][0][0]) == (422, "/items")
