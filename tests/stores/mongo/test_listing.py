"""Pages of lists from MongoDB."""

import json
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import httpx2
import pytest
from fastapi import Response
from uuid_utils.compat import uuid7

from service.auth.caller import Caller
from service.stores.mongo.client import Database
from service.stores.mongo.listing import MongoListing
from service.web.lists.cursors import BadCursor
from service.web.lists.pagination import Page
from tests.fixtures.databases import make_context
from tests.stores.mongo.cups import CUPS, CupQuery, CupRead, CupRepository


@pytest.fixture
def cups(database: Database) -> CupRepository:
    return CupRepository(make_context(database))


def _ids(page: Page[CupRead]) -> list[UUID]:
    return [cup.id for cup in page.items]


@pytest.mark.parametrize("sort", ["name", "-name", "created_at", "-created_at"])
@pytest.mark.parametrize("limit", [1, 3, 7])
async def test_page_equal_sort_values_none_lost_or_repeated(
    database: Database, sort: str, limit: int
) -> None:
    """Ten cups, of which five share a name and five a time."""
    response = Response()
    cups = CupRepository(make_context(database, response=response))
    field = sort.removeprefix("-")
    keys: list[tuple[Any, UUID]] = []
    for number in range(10):
        created_at = datetime(2020 + number // 5, 1, 1, tzinfo=UTC)
        values: dict[str, Any] = {"name": "ab"[number % 2], "created_at": created_at}
        keys.append((values[field], await cups.add(**values)))
    keys.sort(reverse=sort.startswith("-"))
    listed: list[UUID] = []
    query = CupQuery(sort=sort, limit=limit)
    for _ in keys:  # at most as many pages as cups
        page = await cups.list(query)
        listed += _ids(page)
        assert len(page.items) <= limit
        assert page.page.has_more is ("link" in response.headers)
        if not page.page.has_more:
            break
        query = CupQuery(sort=sort, limit=limit, cursor=page.page.next_cursor)
        del response.headers["link"]
    assert listed == [cup_id for _, cup_id in keys]


async def test_json_page_has_the_items_and_cursor_of_page(cups: CupRepository) -> None:
    for _ in range(3):
        await cups.add()
    query = CupQuery(limit=2, count="exact")
    page = await cups.list(query)
    assert json.loads(await cups.list_json(query)) == page.model_dump(mode="json")
    assert page.total == 3


async def test_page_offset_skips_items(cups: CupRepository) -> None:
    added = [await cups.add() for _ in range(5)]
    everything = await cups.list(CupQuery(sort="created_at"))
    assert sorted(_ids(everything)) == sorted(added)
    page = await cups.list(CupQuery(sort="created_at", limit=2, offset=2))
    assert page.items == everything.items[2:4]


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ({}, None),
        ({"count": "exact"}, 5),
        ({"count": "exact", "limit": 2, "name": "a"}, 5),
        ({"count": "exact", "name": "b"}, 0),
        ({"count": "estimated", "size__gte": 3}, 2),
    ],
)
async def test_page_total_counts_all_pages_on_request(
    cups: CupRepository, query: dict[str, Any], total: int | None
) -> None:
    for size in range(5):
        await cups.add(name="a", size=size)
    assert (await cups.list(CupQuery(**query))).total == total


async def test_page_filter_on_the_owner_does_not_widen_the_base_query(
    database: Database,
) -> None:
    """The filter and the base query compare the same field."""
    own, other = (Caller(uuid7()) for _ in range(2))
    added = await CupRepository(make_context(database, own)).add()
    visible = CupRepository(make_context(database, own))
    assert _ids(await visible.list(CupQuery(owner_id=own.user_id))) == [added]
    hidden = CupRepository(make_context(database, other))
    assert (await hidden.list(CupQuery(owner_id=own.user_id))).items == []


@pytest.mark.parametrize("changed", ["sort", "name"])
async def test_page_cursor_of_another_list_is_an_error(
    cups: CupRepository, changed: Literal["sort", "name"]
) -> None:
    for _ in range(2):
        await cups.add()
    cursor = (await cups.list(CupQuery(limit=1))).page.next_cursor
    with pytest.raises(BadCursor):
        await cups.list(CupQuery(limit=1, cursor=cursor, **{changed: "name"}))


async def test_page_estimated_total_counts_the_whole_collection(
    client: httpx2.AsyncClient,
) -> None:
    event = {"timestamp": "2026-01-05T00:00:00Z", "model": "m", "version": "1", "features": {}}
    events = [{**event, "prediction_id": str(uuid7())} for _ in range(3)]
    await client.post("/v1/predictions/batch", json={"items": events})
    page = (await client.get("/v1/predictions?count=estimated&limit=1")).json()
    assert page["total"] == 3


class CupQueryOfTypo(CupQuery):
    name__prefix: str | None = None
    colour: str | None = None


def test_listing_that_would_ignore_a_filter_is_refused() -> None:
    columns = {"name": "name", "size": "size", "owner_id": "owner_id"}
    with pytest.raises(TypeError, match=r"ignores: colour, name__prefix\. Name their columns"):
        MongoListing(CUPS, CupQueryOfTypo, filters=columns)
    with pytest.raises(TypeError, match=r"ignores: name__prefix\."):
        MongoListing(CUPS, CupQueryOfTypo, filters=columns, elsewhere=["colour"])


async def test_list_of_a_query_with_other_filters_is_refused(cups: CupRepository) -> None:
    with pytest.raises(TypeError, match="of CupQuery, not of CupQueryOfTypo"):
        await cups.list(CupQueryOfTypo())
