"""Items, and the ways tests make and find them."""

from typing import Any

import httpx2


async def make_item(client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    """A new item as it was answered."""
    answer = await client.post("/v1/items", json={"name": "thing", **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def search(client: httpx2.AsyncClient, where: object) -> httpx2.Response:
    return await client.post("/v1/items/search", json={"where": where})


async def found(client: httpx2.AsyncClient, field: str, op: str, value: Any) -> set[str]:
    """The names of the items that fit one condition."""
    return await found_where(client, {"field": field, "op": op, "value": value})


async def found_where(client: httpx2.AsyncClient, where: object) -> set[str]:
    answer = await search(client, where)
    assert answer.status_code == 200, answer.text
    return {item["name"] for item in answer.json()["items"]}
