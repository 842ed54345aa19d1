"""Items over HTTP: create, get, update, delete, restore and list."""

from itertools import pairwise
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.documents.items.factories import make_item


async def test_create_item_returns_what_was_sent(client: httpx2.AsyncClient) -> None:
    sent = {
        "name": "Espresso machine",
        "type": "appliance",
        "attributes": {"colour": "red", "power": {"watts": 1450}, "ports": [1, {"usb": None}]},
        "tags": ["kitchen", "sale"],
        "price": "249.00",
    }
    created = await client.post("/v1/items", json=sent)
    assert (created.status_code, created.headers["etag"]) == (201, '"1"')
    read = await client.get(created.headers["location"])
    assert read.json() == created.json()
    assert {name: read.json()[name] for name in sent} == sent
    assert read.json()["deleted_at"] is None


INVALID: list[tuple[dict[str, Any], str]] = [
    ({}, "/name"),
    ({"name": ""}, "/name"),
    ({"name": "x" * 201}, "/name"),
    ({"name": 7}, "/name"),
    ({"name": "x", "colour": "red"}, "/colour"),
    ({"name": "x", "_id": "1"}, "/_id"),
    ({"name": "x", "version": 7}, "/version"),
    ({"name": "x", "type": "$where"}, "/type"),
    ({"name": "x", "type": "a\n"}, "/type"),
    ({"name": "x", "tags": [1]}, "/tags/0"),
    ({"name": "x", "tags": ["x"] * 51}, "/tags"),
    ({"name": "x", "tags": {"$ne": "x"}}, "/tags"),
    ({"name": "x", "price": "1.005"}, "/price"),
    ({"name": "x", "price": "-1"}, "/price"),
    ({"name": "x", "price": "NaN"}, "/price"),
    ({"name": "x", "price": "1000000000000.00"}, "/price"),
    ({"name": "x", "price": True}, "/price"),
    ({"name": "x", "attributes": [1]}, "/attributes"),
    ({"name": "x", "attributes": {"a/b": ["\x00"]}}, "/attributes/a~1b/0"),
    ({"name": "x", "attributes": {"a": [{"b\x00": 1}]}}, "/attributes/a/0/b\x00"),
    ({"name": "x", "attributes": {"b.c": {"": 10**34}}}, "/attributes/b.c/"),
    ({"name": "x", "attributes": {"n": [-(10**34)]}}, "/attributes/n/0"),
    ({"name": "x", "attributes": {"$ref": "a", "$id": 1, "$db": None}}, "/attributes/$db"),
    ({"name": "x", "price": 2**63}, "/price"),
]


async def test_create_item_invalid_is_an_error_with_a_pointer(
    client: httpx2.AsyncClient, subtests: pytest.Subtests
) -> None:
    item = await make_item(client)
    path = f"/v1/items/{item['id']}"
    for body, pointer in INVALID:
        for method, url in (("POST", "/v1/items"), ("PUT", path)):
            with subtests.test(method=method, body=body):
                response = await client.request(method, url, json=body)
                assert response.status_code == 422
                assert response.json()["errors"][0]["pointer"] == pointer
    assert (await client.get("/v1/items")).json()["items"] == [item]


async def test_update_item_merges_and_keeps_other_fields(
    client: httpx2.AsyncClient,
) -> None:
    item = await make_item(
        client,
        attributes={"colour": "red", "power": {"watts": 1450, "volts": 230}},
        tags=["a", "b"],
        price="5.00",
    )
    path = f"/v1/items/{item['id']}"
    patch = {"attributes": {"colour": None, "power": {"volts": 110}}, "tags": ["c"]}
    changed = await client.patch(path, json=patch)
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert changed.json() == {
        **item,
        "attributes": {"power": {"watts": 1450, "volts": 110}},
        "tags": ["c"],
        "version": 2,
        "updated_at": changed.json()["updated_at"],
    }
    cleared = await client.patch(path, json={"price": None})
    assert cleared.json()["price"] is None
    assert (await client.get(path)).json() == cleared.json()


@pytest.mark.parametrize("field", ["name", "type", "attributes", "tags"])
async def test_update_item_required_field_to_null_is_an_error(
    client: httpx2.AsyncClient, field: str
) -> None:
    item = await make_item(client)
    response = await client.patch(f"/v1/items/{item['id']}", json={field: None})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"].startswith(f"/{field}")


async def test_item_etag_protects_get_update_and_delete(client: httpx2.AsyncClient) -> None:
    item = await make_item(client)
    path = f"/v1/items/{item['id']}"
    current = {"If-None-Match": '"1"'}
    unchanged = await client.get(path, headers=current)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert (await client.patch(path, json={"name": "b"}, headers={"If-Match": '"1"'})).is_success
    assert (await client.get(path, headers=current)).status_code == 200
    for stale in ('"1"', 'W/"2"', '"x"', '"7", "8"'):
        response = await client.patch(path, json={"name": "c"}, headers={"If-Match": stale})
        assert (response.status_code, response.json()["code"]) == (412, "precondition_failed")
        assert (await client.delete(path, headers={"If-Match": stale})).status_code == 412
    assert (await client.get(path)).json()["name"] == "b"
    assert (await client.patch(path, json={}, headers={"If-Match": "3"})).status_code == 400
    assert (await client.delete(path, headers={"If-Match": '"7", "2"'})).status_code == 204


async def test_delete_item_hides_it_until_it_is_restored(client: httpx2.AsyncClient) -> None:
    other, item = await make_item(client, name="other"), await make_item(client, name="deleted")
    path = f"/v1/items/{item['id']}"
    assert (await client.delete(path)).status_code == 204
    for response in (
        await client.get(path),
        await client.patch(path, json={"name": "x"}),
        await client.put(path, json={"name": "x"}),
        await client.delete(path),
    ):
        assert (response.status_code, response.json()["code"]) == (404, "item_not_found")
    listed = (await client.get("/v1/items")).json()["items"]
    assert [found["id"] for found in listed] == [other["id"]]
    deleted = (await client.get("/v1/items?deleted=true")).json()["items"]
    assert [found["id"] for found in deleted] == [item["id"]]
    restored = await client.post(f"{path}/restore")
    assert (restored.json()["deleted_at"], restored.json()["version"]) == (None, 3)
    again = await client.post(f"{path}/restore")
    assert again.json() == restored.json()


async def test_item_missing_is_not_found(client: httpx2.AsyncClient) -> None:
    path = f"/v1/items/{uuid4()}"
    for response in (
        await client.get(path),
        await client.patch(path, json={}),
        await client.put(path, json={"name": "x"}),
        await client.delete(path),
        await client.post(f"{path}/restore"),
    ):
        assert (response.status_code, response.json()["code"]) == (404, "item_not_found")
    assert (await client.get("/v1/items/7")).status_code == 422


async def _list_names(client: httpx2.AsyncClient, **query: Any) -> list[str]:
    """Return the names on all pages, two per page."""
    names: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(20):
        response = await client.get("/v1/items", params={**query, "limit": 2, **cursor})
        assert response.status_code == 200, response.text
        names += [item["name"] for item in response.json()["items"]]
        if not response.json()["page"]["has_more"]:
            assert "link" not in response.headers
            return names
        assert "link" in response.headers
        cursor = {"cursor": response.json()["page"]["next_cursor"]}
    pytest.fail("more pages than items")


async def test_list_items_pages_hold_each_item_once(client: httpx2.AsyncClient) -> None:
    names = [f"n{number // 3}" for number in range(9)]
    items = [await make_item(client, name=name, tags=[str(n)]) for n, name in enumerate(names)]
    assert await _list_names(client, sort="name") == names
    assert await _list_names(client, sort="-name") == names[::-1]
    assert await _list_names(client, sort="created_at") == names
    assert await _list_names(client) == names[::-1]
    listed: list[str] = []
    for offset in range(0, 9, 2):
        page = await client.get(f"/v1/items?sort=name&limit=2&offset={offset}")
        listed += [item["id"] for item in page.json()["items"]]
    assert sorted(listed) == sorted(item["id"] for item in items)


async def test_list_items_filter_finds_its_items(client: httpx2.AsyncClient) -> None:
    prices = {"free": None, "cheap": "1.00", "fair": "10.00", "dear": "100.00"}
    for name, price in prices.items():
        await make_item(client, name=name, price=price, type=f"t-{name}", tags=[name, "all"])
    items = (await client.get("/v1/items?sort=created_at")).json()["items"]
    for query, expected in (
        ({"name": "fair"}, {"fair"}),
        ({"type": "t-dear"}, {"dear"}),
        ({"tag": "cheap"}, {"cheap"}),
        ({"tag": "all", "price__gte": "10"}, {"fair", "dear"}),
        ({"price__lte": "10.00"}, {"cheap", "fair"}),
        ({"price__gte": "1.01", "price__lte": "99.99"}, {"fair"}),
        ({"created_at__gte": items[0]["created_at"]}, set(prices)),
        ({"created_at__lt": items[0]["created_at"]}, set()),
    ):
        assert set(await _list_names(client, **query)) == expected, query
    counted = await client.get("/v1/items?tag=all&price__gte=10&count=exact&limit=1")
    assert counted.json()["total"] == 2
    times = [item["created_at"] for item in items]
    assert all(one <= other for one, other in pairwise(times))


INVALID_QUERIES = [
    ("colour=red", 400),
    ("name[$ne]=x", 400),
    ("attributes.a=1", 400),
    ("sort=price", 422),
    ("sort=$where", 422),
    ("price__gte=cheap", 422),
    ("price__gte=NaN", 422),
    ("offset=10001", 422),
    ("limit=-1", 422),
    ("deleted=maybe", 422),
    ("name=%00", 422),
    ("created_at__lt=2026-01-01T00:00:00", 422),
    ("cursor=////", 400),
]


async def test_list_items_invalid_query_is_an_error(
    client: httpx2.AsyncClient, subtests: pytest.Subtests
) -> None:
    for query, status in INVALID_QUERIES:
        with subtests.test(query=query):
            assert (await client.get(f"/v1/items?{query}")).status_code == status
