"""Users for tests, and requests for all pages of a list."""

import asyncio
import itertools
from typing import Any

import httpx2

_NUMBERS = itertools.count()


def user_body(**fields: Any) -> dict[str, Any]:
    """Return the body of a new user."""
    name = f"user{next(_NUMBERS)}"
    return {"username": name, "email": f"{name}@example.com", **fields}


async def make_user(client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    response = await client.post("/v1/users", json=user_body(**fields))
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


async def make_users(client: httpx2.AsyncClient, *bodies: dict[str, Any]) -> list[dict[str, Any]]:
    """Create users in one transaction: all have the same ``created_at``."""
    items = [user_body(**body) for body in bodies]
    response = await client.post("/v1/users/bulk", json={"items": items})
    assert response.status_code == 201, response.text
    made: list[dict[str, Any]] = response.json()["items"]
    return made


async def send_all(
    client: httpx2.AsyncClient, method: str, address: str, *many: dict[str, Any]
) -> list[httpx2.Response]:
    """Send all requests concurrently, each with its keyword arguments.

    A 503 is repeated, because a busy machine may have no free connection in time.
    """

    async def send(arguments: dict[str, Any]) -> httpx2.Response:
        while True:
            answer = await client.request(method, address, **arguments)
            if answer.status_code != 503:
                return answer
            await asyncio.sleep(0.1)

    return await asyncio.gather(*map(send, many))


async def iterate_pages(
    client: httpx2.AsyncClient, address: str, params: dict[str, Any]
) -> list[list[dict[str, Any]]]:
    """Return all pages of a list."""
    pages = []
    cursor: dict[str, str] = {}
    while True:
        response = await client.get(address, params={**params, **cursor})
        assert response.status_code == 200, response.text
        body = response.json()
        pages.append(body["items"])
        assert body["page"]["has_more"] == (body["page"]["next_cursor"] is not None)
        if not body["page"]["has_more"]:
            return pages
        cursor = {"cursor": body["page"]["next_cursor"]}
