"""Tags for tests."""

from typing import Any

import httpx2


async def make_tag(client: httpx2.AsyncClient, name: str) -> dict[str, Any]:
    response = await client.post("/v1/tags", json={"name": name})
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made
