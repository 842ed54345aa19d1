"""Categories: a tree without cycles."""

import asyncio
from typing import Any

import httpx2
import pytest
import sqlalchemy

from service.main import State
from tests.relational.catalog.factories import CATEGORIES, make_category, make_product


async def move(
    client: httpx2.AsyncClient, category: dict[str, Any], below: dict[str, Any] | None
) -> httpx2.Response:
    parent_id = None if below is None else below["id"]
    return await client.patch(f"{CATEGORIES}/{category['id']}", json={"parent_id": parent_id})


async def test_category_is_created_moved_and_deleted(client: httpx2.AsyncClient) -> None:
    top, other = await make_category(client), await make_category(client)
    below = await make_category(client, parent_id=top["id"], description="small ones")
    moved = await move(client, below, other)
    assert (moved.json()["parent_id"], moved.headers["etag"]) == (other["id"], '"2"')
    assert (await move(client, below, None)).json()["parent_id"] is None
    listed = await client.get(CATEGORIES, params={"parent_id": other["id"]})
    assert listed.json()["items"] == []
    assert (await client.delete(f"{CATEGORIES}/{below['id']}")).status_code == 204
    assert (await client.get(f"{CATEGORIES}/{below['id']}")).status_code == 404


async def test_category_move_below_itself_is_rejected(client: httpx2.AsyncClient) -> None:
    top = await make_category(client)
    middle = await make_category(client, parent_id=top["id"])
    leaf = await make_category(client, parent_id=middle["id"])
    for category, below in ((top, leaf), (top, middle), (top, top)):
        rejected = await move(client, category, below)
        assert (rejected.status_code, rejected.json()["code"]) == (409, "category_circle")
        assert rejected.json()["errors"][0]["pointer"] == "/parent_id"


async def test_category_concurrent_moves_make_no_cycle(client: httpx2.AsyncClient) -> None:
    for _ in range(10):
        one, other = await make_category(client), await make_category(client)
        responses = await asyncio.gather(move(client, one, other), move(client, other, one))
        assert sorted(response.status_code for response in responses) == [200, 409]


async def test_category_cycle_is_rejected_by_the_database(
    client: httpx2.AsyncClient, state: State
) -> None:
    top = await make_category(client)
    below = await make_category(client, parent_id=top["id"])
    circle = sqlalchemy.text("UPDATE categories SET parent_id = :below WHERE id = :top")
    with pytest.raises(sqlalchemy.exc.DBAPIError, match="below itself"):
        async with state["sql"].engine.begin() as connection:
            await connection.execute(circle, {"below": below["id"], "top": top["id"]})


async def test_category_name_is_unique_per_parent(client: httpx2.AsyncClient) -> None:
    top = await make_category(client, name="Coffee")
    taken = await client.post(CATEGORIES, json={"name": "COFFEE"})
    assert (taken.status_code, taken.json()["code"]) == (409, "category_name_taken")
    await make_category(client, name="coffee", parent_id=top["id"])


async def test_category_in_use_is_not_deleted(client: httpx2.AsyncClient) -> None:
    parent, full = await make_category(client), await make_category(client)
    await make_category(client, parent_id=parent["id"])
    await make_product(client, category_id=full["id"])
    for category in (parent, full):
        rejected = await client.delete(f"{CATEGORIES}/{category['id']}")
        assert (rejected.status_code, rejected.json()["code"]) == (409, "category_in_use")


async def test_category_unknown_parent_is_rejected(client: httpx2.AsyncClient) -> None:
    unknown = "01930d6e-0000-7000-8000-000000000000"
    made = await client.post(CATEGORIES, json={"name": "x", "parent_id": unknown})
    assert (made.status_code, made.json()["code"]) == (409, "parent_unknown")
