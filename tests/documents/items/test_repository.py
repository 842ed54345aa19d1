"""Items under concurrent changes, and the indexes of their lists."""

import asyncio
from itertools import combinations
from typing import Any
from uuid import uuid4

import httpx2

from service.documents.items.schemas import ItemQuery
from service.main import State
from tests.documents.items.factories import make_item, search
from tests.documents.predictions.mongo_profiler import profiling, scans

FILTERS: dict[str, Any] = {
    "name": "n7",
    "name__in": "n7,n8",
    "type": "t7",
    "type__in": "t7,t8",
    "tag": "g7",
    "tag__in": "g7,g8",
    "price__null": "true",
    "price__gte": "7.00",
    "price__lte": "7.00",
    "created_at__gte": "2026-01-01T00:00:00Z",
    "created_at__lt": "2199-01-01T00:00:00Z",
    "deleted": "true",
}


async def test_update_item_64_concurrent_of_one_version_one_succeeds(
    client: httpx2.AsyncClient,
) -> None:
    item = await make_item(client)
    path, if_match = f"/v1/items/{item['id']}", {"If-Match": '"1"'}
    responses = await asyncio.gather(
        *(client.patch(path, json={"name": f"n{n}"}, headers=if_match) for n in range(64))
    )
    statuses = sorted(response.status_code for response in responses)
    assert statuses == [200] + [412] * 63
    (changed,) = (response.json() for response in responses if response.status_code == 200)
    assert (await client.get(path)).json() == changed
    assert changed["version"] == 2


async def test_update_item_20_concurrent_without_if_match_all_merge(
    client: httpx2.AsyncClient,
) -> None:
    item = await make_item(client, attributes={"a": {"x": 1}})
    path = f"/v1/items/{item['id']}"
    responses = await asyncio.gather(
        *(client.patch(path, json={"attributes": {"a": {f"k{n}": n}}}) for n in range(20))
    )
    assert {response.status_code for response in responses} == {200}
    changed = (await client.get(path)).json()
    assert changed["attributes"] == {"a": {"x": 1, **{f"k{n}": n for n in range(20)}}}
    assert changed["version"] == 21


async def test_item_stored_before_a_field_was_added_is_read(
    client: httpx2.AsyncClient, state: State
) -> None:
    item = await make_item(client, price="2.50")
    await state["mongo"].database["items"].update_one({}, {"$unset": {"price": ""}})
    for path in (f"/v1/items/{item['id']}", "/v1/items"):
        response = await client.get(path)
        assert response.status_code == 200, response.text
    assert response.json()["items"] == [{**item, "price": None}]


async def test_put_item_replaces_all_but_its_owner(client: httpx2.AsyncClient) -> None:
    item = await make_item(
        client, type="tool", attributes={"a": 1, "b": {"c": 2}}, tags=["t"], price="5.00"
    )
    path = f"/v1/items/{item['id']}"
    stale = {"If-Match": '"2"'}
    assert (await client.put(path, json={"name": "No"}, headers=stale)).status_code == 412
    sent = {"name": "Other", "attributes": {"b": {"d": 3}}}
    answer = await client.put(path, json=sent, headers={"If-Match": '"1"'})
    expected = {
        **item, **sent, "type": "item", "tags": [], "price": None, "version": 2,
        "updated_at": answer.json()["updated_at"],
    }  # fmt: skip
    assert answer.headers["etag"] == '"2"'
    assert answer.json() == expected == (await client.get(path)).json()
    named = await client.put(path, json={**sent, "owner_id": str(uuid4())})
    assert (named.status_code, named.json()["code"]) == (409, "owner_fixed")
    assert (await client.get(path)).json() == expected


async def test_update_and_delete_item_concurrently_do_not_mix(client: httpx2.AsyncClient) -> None:
    for _ in range(5):
        item = await make_item(client)
        path = f"/v1/items/{item['id']}"
        changed, removed = await asyncio.gather(
            client.patch(path, json={"name": "late"}), client.delete(path)
        )
        assert (changed.status_code, removed.status_code) in {(200, 204), (404, 204)}
        assert (await client.get(path)).status_code == 404


async def test_create_item_20_concurrent_with_one_key_create_one(
    client: httpx2.AsyncClient, state: State
) -> None:
    key, body = {"Idempotency-Key": "k-1"}, {"name": "x"}
    responses = await asyncio.gather(
        *(client.post("/v1/items", json=body, headers=key) for _ in range(20))
    )
    assert {response.status_code for response in responses} == {201}
    assert len({response.json()["id"] for response in responses}) == 1
    replayed = [response for response in responses if "idempotency-replayed" in response.headers]
    assert len(replayed) == 19
    other = await client.post("/v1/items", json={"name": "y"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert await state["mongo"].database["items"].count_documents({}) == 1
    for invalid in ("", "x" * 256):
        response = await client.post("/v1/items", json=body, headers={"Idempotency-Key": invalid})
        assert (response.status_code, response.json()["code"]) == (400, "bad_idempotency_key")


async def test_list_large_items_end_early_or_are_refused_by_offset(
    client: httpx2.AsyncClient,
) -> None:
    """A shorter page would lose items, because the next offset would skip them."""
    items = [await make_item(client, attributes={"x": "y" * 1_000_000}) for _ in range(10)]
    for offset in (0, 1):
        response = await client.get("/v1/items", params={"limit": 50, "offset": offset})
        assert (response.status_code, response.json()["code"]) == (422, "page_too_large")
        (error,) = response.json()["errors"]
        assert (error["pointer"], "8 of them fit" in error["detail"]) == ("/query/limit", True)
    first = (await client.get("/v1/items", params={"limit": 50})).json()
    cursor = first["page"]["next_cursor"]
    assert len(first["items"]) == 8
    rest = (await client.get("/v1/items", params={"limit": 50, "cursor": cursor})).json()
    assert not rest["page"]["has_more"]
    assert [item["id"] for item in first["items"] + rest["items"]] == [
        item["id"] for item in reversed(items)
    ]


async def test_update_item_beyond_the_size_limit_is_an_error(
    client: httpx2.AsyncClient,
) -> None:
    item = await make_item(client)
    path = f"/v1/items/{item['id']}"
    responses = [
        await client.patch(path, json={"attributes": {f"k{n}": "x" * 900_000}}) for n in range(4)
    ]
    assert [response.status_code for response in responses] == [200, 200, 413, 413]
    assert responses[-1].json()["code"] == "item_too_large"
    assert set((await client.get(path)).json()["attributes"]) == {"k0", "k1"}
    smaller = await client.patch(path, json={"attributes": {"k0": None, "k2": "x"}})
    assert smaller.status_code == 200


async def test_list_items_one_or_two_filters_scan_no_collection(
    client: httpx2.AsyncClient, state: State
) -> None:
    fixed = {"limit", "cursor", "sort", "count", "offset", "page", "page_size"}
    assert set(FILTERS) == set(ItemQuery.model_fields) - fixed
    for n in range(20):
        await make_item(client, name=f"n{n}", type=f"t{n}", tags=[f"g{n}"], price=f"{n}.00")
    async with profiling(state) as profile:
        for size in (0, 1, 2):
            for names in combinations(FILTERS, size):
                for sort in ("-created_at", "name", "type,created_at"):
                    query = {name: FILTERS[name] for name in names}
                    response = await client.get(
                        "/v1/items", params={**query, "sort": sort, "count": "exact"}
                    )
                    assert response.status_code == 200
    assert len(profile) > 100
    assert scans(profile) == []


async def test_list_items_selective_filter_reads_few_documents(
    client: httpx2.AsyncClient, state: State
) -> None:
    for n in range(30):
        await make_item(client, name=f"n{n}", type=f"t{n}", tags=[f"g{n}"], price=f"{n}.00")
    for query in (
        {"name": "n7"},
        {"type": "t7"},
        {"tag": "g7"},
        {"type__in": "t7,none"},
        {"tag__in": "g7,none"},
        {"name__in": "n7,none"},
        {"price__null": "true"},
        {"price__gte": "7.00", "price__lte": "7.00"},
        {"deleted": "true"},
    ):
        async with profiling(state) as profile:
            response = await client.get("/v1/items", params=query)
        (find,) = profile
        assert find["docsExamined"] == len(response.json()["items"]) <= 1, query


async def test_search_items_by_attributes_uses_an_index(
    client: httpx2.AsyncClient, state: State
) -> None:
    for n in range(40):
        await make_item(client, attributes={"n": n, "deep": {"er": str(n)}})
    conditions = [
        {"field": "attributes.n", "op": "eq", "value": 7},
        {"field": "attributes.deep.er", "op": "prefix", "value": "39"},
        {"field": "attributes.n", "op": "in", "value": [1, 2]},
        {"field": "attributes.none", "op": "exists", "value": True},
    ]
    async with profiling(state) as profile:
        for where in [*conditions, {"or": conditions}, {"not": conditions[0]}]:
            assert (await search(client, where)).status_code == 200
    assert scans(profile) == []
    assert [find["docsExamined"] for find in profile[:4]] == [1, 1, 2, 0]


async def test_search_items_by_dotted_names_needs_another_filter(
    client: httpx2.AsyncClient, state: State
) -> None:
    for n in range(40):
        await make_item(client, type=f"t{n % 20}", attributes={"home.dest": n})
    dotted = {"field": "/attributes/home.dest", "op": "eq", "value": 7}
    typed = {"field": "type", "op": "eq", "value": "t7"}
    async with profiling(state) as profile:
        for where in (dotted, {"not": dotted}, {"and": [dotted, typed]}):
            assert (await search(client, where)).status_code == 200
    assert scans(profile) == []
    assert [find["docsExamined"] for find in profile] == [40, 40, 2]
