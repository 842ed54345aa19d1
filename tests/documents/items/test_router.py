"""Items over HTTP: made, read, changed, hidden, brought back, listed."""

from itertools import pairwise
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.documents.items.factories import make_item


async def test_an_item_is_made_and_reads_back_as_it_was_sent(client: httpx2.AsyncClient) -> None:
    sent = {
        "name": "Espresso machine",
        "type": "appliance",
        "attributes": {"colour": "red", "power": {"watts": 1450}, "ports": [1, {"usb": None}]},
        "tags": ["kitchen", "sale"],
        "price": "249.00",
    }
    made = await client.post("/v1/items", json=sent)
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    read = await client.get(made.headers["location"])
    assert read.json() == made.json()
    assert {name: read.json()[name] for name in sent} == sent
    assert read.json()["deleted_at"] is None


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
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
        ({"name": "x", "attributes": {"$set": 1}}, "/attributes"),
        ({"name": "x", "attributes": {"a": [{"b.c": 1}]}}, "/attributes"),
        ({"name": "x", "attributes": {"": 1}}, "/attributes"),
        ({"name": "x", "attributes": {"n": 2**63}}, "/attributes/n"),
        ({"name": "x", "attributes": {"a/b": ["\x00"]}}, "/attributes/a~1b/0"),
    ],
)
async def test_a_wrong_item_is_refused_with_a_pointer(
    client: httpx2.AsyncClient, body: dict[str, Any], pointer: str
) -> None:
    answer = await client.post("/v1/items", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert (await client.get("/v1/items?count=exact")).json()["total"] == 0


async def test_a_key_that_cannot_be_kept_is_named(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/items", json={"name": "x", "attributes": {"a": {"$inc": 1}}})
    (error,) = answer.json()["errors"]
    assert error["code"] == "invalid_key"
    assert "$inc" in error["detail"]


async def test_a_patch_merges_and_leaves_alone_what_it_does_not_name(
    client: httpx2.AsyncClient,
) -> None:
    made = await make_item(
        client,
        attributes={"colour": "red", "power": {"watts": 1450, "volts": 230}},
        tags=["a", "b"],
        price="5.00",
    )
    path = f"/v1/items/{made['id']}"
    patch = {"attributes": {"colour": None, "power": {"volts": 110}}, "tags": ["c"]}
    changed = await client.patch(path, json=patch)
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert changed.json() == {
        **made,
        "attributes": {"power": {"watts": 1450, "volts": 110}},
        "tags": ["c"],
        "version": 2,
        "updated_at": changed.json()["updated_at"],
    }
    cleared = await client.patch(path, json={"price": None})
    assert cleared.json()["price"] is None
    assert (await client.get(path)).json() == cleared.json()


@pytest.mark.parametrize("field", ["name", "type", "attributes", "tags"])
async def test_null_does_not_remove_what_an_item_must_have(
    client: httpx2.AsyncClient, field: str
) -> None:
    made = await make_item(client)
    answer = await client.patch(f"/v1/items/{made['id']}", json={field: None})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith(f"/{field}")


async def test_versions_guard_reads_changes_and_removals(client: httpx2.AsyncClient) -> None:
    made = await make_item(client)
    path = f"/v1/items/{made['id']}"
    current = {"If-None-Match": '"1"'}
    unchanged = await client.get(path, headers=current)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert (await client.patch(path, json={"name": "b"}, headers={"If-Match": '"1"'})).is_success
    assert (await client.get(path, headers=current)).status_code == 200
    for stale in ('"1"', 'W/"2"', '"x"', '"7", "8"'):
        answer = await client.patch(path, json={"name": "c"}, headers={"If-Match": stale})
        assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
        assert (await client.delete(path, headers={"If-Match": stale})).status_code == 412
    assert (await client.get(path)).json()["name"] == "b"
    assert (await client.patch(path, json={}, headers={"If-Match": "3"})).status_code == 400
    assert (await client.delete(path, headers={"If-Match": '"7", "2"'})).status_code == 204


async def test_a_deleted_item_is_hidden_until_it_is_restored(client: httpx2.AsyncClient) -> None:
    kept, made = await make_item(client, name="kept"), await make_item(client, name="gone")
    path = f"/v1/items/{made['id']}"
    assert (await client.delete(path)).status_code == 204
    for answer in (
        await client.get(path),
        await client.patch(path, json={"name": "x"}),
        await client.delete(path),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "item_not_found")
    listed = (await client.get("/v1/items")).json()["items"]
    assert [item["id"] for item in listed] == [kept["id"]]
    deleted = (await client.get("/v1/items?deleted=true")).json()["items"]
    assert [item["id"] for item in deleted] == [made["id"]]
    restored = await client.post(f"{path}/restore")
    assert (restored.json()["deleted_at"], restored.json()["version"]) == (None, 3)
    again = await client.post(f"{path}/restore")
    assert again.json() == restored.json()


async def test_what_is_not_there_is_not_found(client: httpx2.AsyncClient) -> None:
    path = f"/v1/items/{uuid4()}"
    for answer in (
        await client.get(path),
        await client.patch(path, json={}),
        await client.delete(path),
        await client.post(f"{path}/restore"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "item_not_found")
    assert (await client.get("/v1/items/7")).status_code == 422


async def _listed(client: httpx2.AsyncClient, **query: Any) -> list[str]:
    """The names on all pages together, two a page."""
    names: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(20):
        answer = await client.get("/v1/items", params={**query, "limit": 2, **cursor})
        assert answer.status_code == 200, answer.text
        names += [item["name"] for item in answer.json()["items"]]
        if not answer.json()["page"]["has_more"]:
            assert "link" not in answer.headers
            return names
        cursor = {"cursor": answer.json()["page"]["next_cursor"]}
    pytest.fail("the pages have no end")


async def test_all_pages_together_are_everything_once(client: httpx2.AsyncClient) -> None:
    names = [f"n{number // 3}" for number in range(9)]
    made = [await make_item(client, name=name, tags=[str(n)]) for n, name in enumerate(names)]
    assert await _listed(client, sort="name") == names
    assert await _listed(client, sort="-name") == names[::-1]
    assert await _listed(client, sort="created_at") == names
    assert await _listed(client) == names[::-1]
    seen: list[str] = []
    for offset in range(0, 9, 2):
        page = await client.get(f"/v1/items?sort=name&limit=2&offset={offset}")
        seen += [item["id"] for item in page.json()["items"]]
    assert sorted(seen) == sorted(item["id"] for item in made)


async def test_each_filter_lets_through_what_it_says(client: httpx2.AsyncClient) -> None:
    prices = {"free": None, "cheap": "1.00", "fair": "10.00", "dear": "100.00"}
    for name, price in prices.items():
        await make_item(client, name=name, price=price, type=f"t-{name}", tags=[name, "all"])
    made = (await client.get("/v1/items?sort=created_at")).json()["items"]
    for query, wanted in (
        ({"name": "fair"}, {"fair"}),
        ({"type": "t-dear"}, {"dear"}),
        ({"tag": "cheap"}, {"cheap"}),
        ({"tag": "all", "price__gte": "10"}, {"fair", "dear"}),
        ({"price__lte": "10.00"}, {"cheap", "fair"}),
        ({"price__gte": "1.01", "price__lte": "99.99"}, {"fair"}),
        ({"created_at__gte": made[0]["created_at"]}, set(prices)),
        ({"created_at__lt": made[0]["created_at"]}, set()),
    ):
        assert set(await _listed(client, **query)) == wanted, query
    counted = await client.get("/v1/items?tag=all&price__gte=10&count=exact&limit=1")
    assert counted.json()["total"] == 2
    times = [item["created_at"] for item in made]
    assert all(one <= other for one, other in pairwise(times))


@pytest.mark.parametrize(
    ("query", "status"),
    [
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
    ],
)
async def test_a_list_refuses_what_it_does_not_know(
    client: httpx2.AsyncClient, query: str, status: int
) -> None:
    assert (await client.get(f"/v1/items?{query}")).status_code == status
