"""Bulk requests leave the event loop to others after each small part of their work."""

import asyncio
import gc
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from pydantic import TypeAdapter

from service.relational.catalog.schemas import ProductCreate
from service.web.schemas import MAX_ITEMS


def _product() -> dict[str, Any]:
    return {"sku": uuid4().hex, "name": "x", "price": "1.00", "currency": "EUR"}


def _invalid_product() -> dict[str, Any]:
    return _product() | {"price": "x"}


def _user() -> dict[str, Any]:
    return {"username": f"u{uuid4().hex}", "email": f"{uuid4().hex}@example.com"}


def _tag() -> dict[str, Any]:
    return {"name": uuid4().hex}


@contextmanager
def _without_collector() -> Iterator[None]:
    """Keep Python's collector, which walks over the objects of all tests, out of a measurement."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def _longest_step(work: asyncio.Task[Any]) -> float:
    """Return the most CPU seconds that one round of the event loop took until ``work`` is done."""
    longest = 0.0
    while not work.done():
        began = time.thread_time()
        await asyncio.sleep(0)
        longest = max(longest, time.thread_time() - began)
    return longest


def _validation_seconds() -> float:
    """Return the CPU seconds of the validation of as many products, which is the measure here."""
    products = TypeAdapter(list[ProductCreate])
    items = [_product() for _ in range(MAX_ITEMS)]
    began = time.thread_time()
    products.validate_python(items)
    return time.thread_time() - began


@pytest.mark.parametrize(
    ("path", "item", "query", "status"),
    [
        ("/v1/products/bulk", _product, "", 201),
        ("/v1/products/bulk", _product, "?atomic=false", 207),
        ("/v1/products/bulk", _invalid_product, "", 422),
        ("/v1/users/bulk", _user, "", 201),
        ("/v1/tags/bulk", _tag, "", 200),
    ],
)
async def test_bulk_of_1000_gives_way_to_others(
    client: httpx2.AsyncClient,
    path: str,
    item: Callable[[], dict[str, Any]],
    query: str,
    status: int,
) -> None:
    body = json.dumps({"items": [item() for _ in range(MAX_ITEMS)]}).encode()
    headers = {"Content-Type": "application/json"}
    with _without_collector():
        limit = 3 * max(_validation_seconds() for _ in range(5))
        sent = asyncio.create_task(client.post(path + query, content=body, headers=headers))
        longest = await _longest_step(sent)
    response = sent.result()
    assert response.status_code == status, response.text
    assert longest < limit
