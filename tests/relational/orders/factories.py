"""Orders for tests."""

from typing import Any

import httpx2

ORDERS = "/v1/orders"


def line(product: dict[str, Any], quantity: int = 1) -> dict[str, Any]:
    return {"product_id": product["id"], "quantity": quantity}


async def order(
    client: httpx2.AsyncClient, *lines: dict[str, Any], **fields: Any
) -> httpx2.Response:
    headers = fields.pop("headers", None)
    return await client.post(ORDERS, json={"lines": list(lines), **fields}, headers=headers)


async def make_order(
    client: httpx2.AsyncClient, *lines: dict[str, Any], **fields: Any
) -> dict[str, Any]:
    response = await order(client, *lines, **fields)
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()
    return created


async def step(client: httpx2.AsyncClient, made: dict[str, Any], name: str) -> httpx2.Response:
    return await client.post(f"{ORDERS}/{made['id']}/{name}")
