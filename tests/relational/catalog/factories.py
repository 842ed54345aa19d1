"""Categories and products for tests."""

from typing import Any
from uuid import uuid4

import httpx2

PRODUCTS, CATEGORIES = "/v1/products", "/v1/categories"


async def make_category(client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    body = {"name": f"category {uuid4().hex[:8]}", **fields}
    answer = await client.post(CATEGORIES, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def product_body(**fields: Any) -> dict[str, Any]:
    sku = f"S-{uuid4().hex[:12]}"
    return {"sku": sku, "name": "thing", "price": "9.99", "currency": "EUR", "stock": 60, **fields}


async def make_product(client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post(PRODUCTS, json=product_body(**fields))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def adjust(
    client: httpx2.AsyncClient, product: dict[str, Any], change: int, **fields: Any
) -> httpx2.Response:
    body = {"change": change, "reason": "received" if change > 0 else "damaged", **fields}
    return await client.post(f"{PRODUCTS}/{product['id']}/stock_adjustments", json=body)


async def movements(client: httpx2.AsyncClient, product: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await client.get(f"{PRODUCTS}/{product['id']}/stock_movements?limit=200")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found
