"""Items, and searches for them."""

from typing import Any

import httpx2


async def make_item(client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    """Create an item; return it as the response has it."""
    response = await client.post("/v1/items", json={"name": "thing", **fields})
    assert response.status_code == 201, response.text
    item: dict[str, Any] = response.json()
    return item


async def search(client: httpx2.AsyncClient, where: object) -> httpx2.Response:
    return await client.post("/v1/items/search", json={"where": where})


async def search_names(client: httpx2.AsyncClient, where: object) -> set[str]:
    """Return the names of the items that match."""
    response = await search(client, where)
    assert response.status_code == 200, response.text
    return {item["name"] for item in response.json()["items"]}
