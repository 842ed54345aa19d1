"""Categories, products and files of products for tests."""

import json
from typing import Any
from uuid import uuid4

import httpx2

PRODUCTS, CATEGORIES = "/v1/products", "/v1/categories"
BULK, DELETE = f"{PRODUCTS}/bulk", f"{PRODUCTS}/bulk/delete"
NDJSON, CSV = "application/x-ndjson", "text/csv"


async def make_category(client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    body = {"name": f"category {uuid4().hex[:8]}", **fields}
    response = await client.post(CATEGORIES, json=body)
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()
    return created


def product_body(**fields: Any) -> dict[str, Any]:
    sku = f"S-{uuid4().hex[:12]}"
    return {"sku": sku, "name": "thing", "price": "9.99", "currency": "EUR", "stock": 60, **fields}


async def make_product(client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    response = await client.post(PRODUCTS, json=product_body(**fields))
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()
    return created


async def make_products(client: httpx2.AsyncClient, count: int) -> list[dict[str, Any]]:
    bodies = [product_body() for _ in range(count)]
    response = await client.post(BULK, json={"items": bodies})
    assert response.status_code == 201, response.text
    created: list[dict[str, Any]] = response.json()["items"]
    assert [product["sku"] for product in created] == [product["sku"] for product in bodies]
    return created


async def list_products(client: httpx2.AsyncClient) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await client.get(f"{PRODUCTS}?limit=200")).json()["items"]
    return items


async def adjust(
    client: httpx2.AsyncClient, product: dict[str, Any], change: int, **fields: Any
) -> httpx2.Response:
    body = {"change": change, "reason": "received" if change > 0 else "damaged", **fields}
    return await client.post(f"{PRODUCTS}/{product['id']}/stock_adjustments", json=body)


async def movements(client: httpx2.AsyncClient, product: dict[str, Any]) -> list[dict[str, Any]]:
    response = await client.get(f"{PRODUCTS}/{product['id']}/stock_movements?limit=200")
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


async def import_file(
    client: httpx2.AsyncClient, body: bytes, content_type: str = NDJSON, **more_headers: str
) -> list[dict[str, Any]]:
    """Return the lines of the response."""
    headers = {"Content-Type": content_type, **more_headers}
    response = await client.post(f"{PRODUCTS}/import", content=body, headers=headers)
    assert response.status_code == 200, response.text
    return [json.loads(line) for line in response.content.splitlines()]


def to_lines(*rows: Any) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


async def products_by_sku(client: httpx2.AsyncClient) -> dict[str, dict[str, Any]]:
    items = (await client.get(PRODUCTS, params={"limit": 200})).json()["items"]
    return {product["sku"]: product for product in items}
