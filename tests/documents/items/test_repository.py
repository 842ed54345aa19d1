"""Items when many change them at once, and how they are found."""

import asyncio
from itertools import combinations
from typing import Any

import httpx2

from service.documents.items.schemas import ItemQuery
from service.main import State
from tests.documents.items.factories import make_item, search
from tests.documents.predictions.mongo_profiler import profiling, scans

FILTERS: dict[str, Any] = {
    "name": "n7",
    "type": "t7",
    "tag": "g7",
    "price__gte": "7.00",
    "price__lte": "7.00",
    "created_at__gte": "2026-01-01T00:00:00Z",
    "created_at__lt": "2199-01-01T00:00:00Z",
    "deleted": "true",
}


async def test_of_64_changes_to_one_version_one_wins(client: httpx2.AsyncClient) -> None:
    made = await make_item(client)
    path, breaker = f"/v1/items/{made['id']}", {"If-Match": '"1"'}
    answers = await asyncio.gather(
        *(client.patch(path, json={"name": f"n{n}"}, headers=breaker) for n in range(64))
    )
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] + [412] * 63
    (winner,) = (answer.json() for answer in answers if answer.status_code == 200)
    assert (await client.get(path)).json() == winner
    assert winner["version"] == 2


async def test_of_20_unguarded_changes_at_once_none_is_lost(client: httpx2.AsyncClient) -> None:
    made = await make_item(client, attributes={"kept": {"x": 1}})
    path = f"/v1/items/{made['id']}"
    answers = await asyncio.gather(
        *(client.patch(path, json={"attributes": {"kept": {f"k{n}": n}}}) for n in range(20))
    )
    assert {answer.status_code for answer in answers} == {200}
    final = (await client.get(path)).json()
    assert final["attributes"] == {"kept": {"x": 1, **{f"k{n}": n for n in range(20)}}}
    assert final["version"] == 21


async def test_a_change_and_a_removal_at_once_do_not_mix(client: httpx2.AsyncClient) -> None:
    for _ in range(5):
        made = await make_item(client)
        path = f"/v1/items/{made['id']}"
        changed, removed = await asyncio.gather(
            client.patch(path, json={"name": "late"}), client.delete(path)
        )
        assert (changed.status_code, removed.status_code) in {(200, 204), (404, 204)}
        assert (await client.get(path)).status_code == 404


async def test_one_key_makes_one_item_however_often_it_is_sent(
    client: httpx2.AsyncClient, state: State
) -> None:
    key, body = {"Idempotency-Key": "k-1"}, {"name": "x"}
    answers = await asyncio.gather(
        *(client.post("/v1/items", json=body, headers=key) for _ in range(20))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    replayed = [answer for answer in answers if "idempotency-replayed" in answer.headers]
    assert len(replayed) == 19
    other = await client.post("/v1/items", json={"name": "y"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert await state["mongo"].database["items"].count_documents({}) == 1
    for bad in ("", "x" * 256):
        refused = await client.post("/v1/items", json=body, headers={"Idempotency-Key": bad})
        assert (refused.status_code, refused.json()["code"]) == (400, "bad_idempotency_key")


async def test_a_page_of_large_items_is_refused_with_how_many_fit(
    client: httpx2.AsyncClient,
) -> None:
    """To leave some out would lose them to whoever goes on by an offset."""
    made = [await make_item(client, attributes={"x": "y" * 1_000_000}) for _ in range(20)]
    for offset in (0, 1):
        refused = await client.get("/v1/items", params={"limit": 50, "offset": offset})
        assert (refused.status_code, refused.json()["code"]) == (422, "page_too_large")
        (error,) = refused.json()["errors"]
        assert (error["pointer"], "16 of them fit" in error["detail"]) == ("/query/limit", True)
    first = (await client.get("/v1/items", params={"limit": 16})).json()
    cursor = first["page"]["next_cursor"]
    rest = (await client.get("/v1/items", params={"limit": 50, "cursor": cursor})).json()
    assert [item["id"] for item in first["items"] + rest["items"]] == [
        item["id"] for item in reversed(made)
    ]


async def test_patches_cannot_make_an_item_larger_than_it_may_be(
    client: httpx2.AsyncClient,
) -> None:
    made = await make_item(client)
    path = f"/v1/items/{made['id']}"
    answers = [
        await client.patch(path, json={"attributes": {f"k{n}": "x" * 900_000}}) for n in range(4)
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 413, 413]
    assert answers[-1].json()["code"] == "item_too_large"
    assert set((await client.get(path)).json()["attributes"]) == {"k0", "k1"}
    smaller = await client.patch(path, json={"attributes": {"k0": None, "k2": "x"}})
    assert smaller.status_code == 200


async def test_no_filter_and_no_two_together_look_through_the_collection(
    client: httpx2.AsyncClient, state: State
) -> None:
    fixed = {"limit", "cursor", "sort", "count", "offset"}
    assert set(FILTERS) == set(ItemQuery.model_fields) - fixed
    for n in range(20):
        await make_item(client, name=f"n{n}", type=f"t{n}", tags=[f"g{n}"], price=f"{n}.00")
    async with profiling(state) as profile:
        for size in (0, 1, 2):
            for names in combinations(FILTERS, size):
                for sort in ("-created_at", "name"):
                    query = {name: FILTERS[name] for name in names}
                    answer = await client.get(
                        "/v1/items", params={**query, "sort": sort, "count": "exact"}
                    )
                    assert answer.status_code == 200
    assert len(profile) > 100
    assert scans(profile) == []


async def test_the_filters_that_pick_few_read_few(client: httpx2.AsyncClient, state: State) -> None:
    for n in range(30):
        await make_item(client, name=f"n{n}", type=f"t{n}", tags=[f"g{n}"], price=f"{n}.00")
    for query in (
        {"name": "n7"},
        {"type": "t7"},
        {"tag": "g7"},
        {"price__gte": "7.00", "price__lte": "7.00"},
        {"deleted": "true"},
    ):
        async with profiling(state) as profile:
            answer = await client.get("/v1/items", params=query)
        (find,) = profile
        assert find["docsExamined"] == len(answer.json()["items"]) <= 1, query


async def test_searches_by_attributes_use_an_index(
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
