"""The verbs that repositories on MongoDB share."""

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx2
import pytest
from uuid_utils.compat import uuid7

from service.core.errors import NotFound, PreconditionFailed
from service.main import State
from service.stores.mongo.client import Document, MongoCollection, now
from service.stores.mongo.documents import as_expected, as_filter, change_document


class CupNotFound(NotFound):
    code = "cup_not_found"


@pytest.fixture
async def cups(state: State, reset_stores: None) -> MongoCollection:
    return state["mongo"].database["cups"]


async def _add(cups: MongoCollection, **fields: Any) -> UUID:
    cup_id = uuid7()
    await cups.insert_one({"_id": cup_id, "version": 1, **fields})
    return cup_id


async def _change(cups: MongoCollection, cup_id: UUID, expected: frozenset[int] | None) -> Document:
    return await change_document(cups, {"_id": cup_id}, {"full": True}, expected, CupNotFound)


def test_a_value_stands_behind_an_operator_of_ours() -> None:
    filters = {"name": {"$ne": None}, "size__gte": 1, "size__lt": 5, "tag__ne": "x"}
    fields = {"name": "title", "size": "size", "tag": "tags"}
    assert as_filter(filters, fields) == {
        "title": {"$eq": {"$ne": None}},
        "size": {"$gte": 1, "$lt": 5},
        "tags": {"$ne": "x"},
    }


@pytest.mark.parametrize("name", ["$where", "other", "name__regex", "name.first"])
def test_no_other_field_and_no_other_operator_gets_into_a_filter(name: str) -> None:
    with pytest.raises(KeyError):
        as_filter({name: 1}, {"name": "name"})


def test_any_version_is_expected_unless_some_are_named() -> None:
    assert as_expected(None) == {}
    assert as_expected(frozenset({3, 1})) == {"version": {"$in": [1, 3]}}
    assert as_expected(frozenset()) == {"version": {"$in": []}}


async def test_a_change_counts_the_version_and_tells_the_time(cups: MongoCollection) -> None:
    before = now()
    changed = await _change(cups, await _add(cups, full=False), None)
    assert (changed["full"], changed["version"]) == (True, 2)
    assert isinstance(changed["updated_at"], datetime)
    assert changed["updated_at"] >= before


async def test_a_change_of_what_is_not_there_and_of_what_is_otherwise(
    cups: MongoCollection,
) -> None:
    cup_id = await _add(cups)
    with pytest.raises(CupNotFound):
        await _change(cups, uuid7(), None)
    with pytest.raises(CupNotFound):
        await _change(cups, uuid7(), frozenset({1}))
    for expected in (frozenset({2}), frozenset[int]()):
        with pytest.raises(PreconditionFailed):
            await _change(cups, cup_id, expected)
    assert (await _change(cups, cup_id, frozenset({1, 7})))["version"] == 2


async def test_of_many_who_expect_the_same_version_one_gets_it(cups: MongoCollection) -> None:
    cup_id = await _add(cups)
    ends = await asyncio.gather(
        *(_change(cups, cup_id, frozenset({1})) for _ in range(30)), return_exceptions=True
    )
    assert sum(isinstance(end, PreconditionFailed) for end in ends) == 29
    (won,) = (end for end in ends if isinstance(end, dict))
    assert won["version"] == 2


@pytest.mark.parametrize("sort", ["name", "-name", "created_at", "-created_at"])
@pytest.mark.parametrize("limit", [1, 3, 7])
async def test_pages_lose_and_repeat_nothing_of_a_tie(
    client: httpx2.AsyncClient, state: State, sort: str, limit: int
) -> None:
    moment = now()
    base: Document = {"type": "x", "attributes": {}, "tags": [], "price": None, "version": 1}
    documents = [
        {
            **base,
            "_id": uuid7(),
            "name": "ab"[number % 2],
            "created_at": moment.replace(year=2020 + number // 5),
            "updated_at": moment,
            "deleted_at": None,
        }
        for number in range(10)
    ]
    await state["mongo"].database["items"].insert_many(documents)
    field = sort.removeprefix("-")
    documents.sort(key=lambda each: (each[field], each["_id"]), reverse=sort.startswith("-"))
    seen: list[str] = []
    query: dict[str, Any] = {"sort": sort, "limit": limit, "type": "x"}
    for _ in documents:  # no more pages than that
        answer = await client.get("/v1/items", params=query)
        page = answer.json()
        seen += [item["id"] for item in page["items"]]
        assert len(page["items"]) <= limit
        assert page["page"]["has_more"] is ("link" in answer.headers)
        if not page["page"]["has_more"]:
            break
        query["cursor"] = page["page"]["next_cursor"]
    assert seen == [str(document["_id"]) for document in documents]


@pytest.mark.parametrize(
    ("query", "total"),
    [("", None), ("count=exact", 5), ("count=exact&limit=2&name=a", 5), ("count=exact&name=b", 0)],
)
async def test_the_total_is_of_all_pages_and_only_on_request(
    client: httpx2.AsyncClient, query: str, total: int | None
) -> None:
    for _ in range(5):
        await client.post("/v1/items", json={"name": "a"})
    assert (await client.get(f"/v1/items?{query}")).json()["total"] == total


async def test_an_estimate_counts_the_whole_collection(client: httpx2.AsyncClient) -> None:
    event = {"timestamp": "2026-01-05T00:00:00Z", "model": "m", "version": "1", "features": {}}
    events = [{**event, "prediction_id": str(uuid7())} for _ in range(3)]
    await client.post("/v1/predictions/batch", json={"items": events})
    page = (await client.get("/v1/predictions?count=estimated&limit=1")).json()
    assert page["total"] == 3
