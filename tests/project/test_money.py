"""Money has one form in both stores: bodies, bulk requests, files, queries and searches."""

from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI

import service
from service.web.schemas import MONEY_PATTERN
from tests.relational.catalog.factories import BULK, PRODUCTS, import_file, product_body

ITEMS = "/v1/items"
SOME_ID = str(UUID(int=7))
TRANSFER = {"from_account_id": SOME_ID, "to_account_id": SOME_ID}
BODIES: dict[str, tuple[str, str, Any]] = {
    "item": ("POST", ITEMS, lambda price: {"name": "x", "price": price}),
    "item patch": ("PATCH", f"{ITEMS}/{SOME_ID}", lambda price: {"price": price}),
    "product": ("POST", PRODUCTS, lambda price: product_body(price=price)),
    "product patch": ("PATCH", f"{PRODUCTS}/{SOME_ID}", lambda price: {"price": price}),
    "products": ("POST", BULK, lambda price: {"items": [product_body(price=price)]}),
    "transfer": ("POST", "/v1/transfers", lambda amount: {**TRANSFER, "amount": amount}),
    "search": (
        "POST",
        f"{ITEMS}/search",
        lambda price: {"where": {"field": "price", "op": "gte", "value": price}},
    ),
}


@pytest.mark.parametrize("name", BODIES)
async def test_body_with_another_form_of_money_is_refused(
    module_client: httpx2.AsyncClient, name: str
) -> None:
    method, path, body = BODIES[name]
    for sent in ("-0.00", "1e2", "1_0", " 1", "\uff11", "1.005", -0.0, 0.1 + 0.2, True):
        response = await module_client.request(method, path, json=body(sent))
        assert response.status_code == 422, (sent, response.text)
        pointers = [error["pointer"] for error in response.json()["errors"]]
        assert pointers[0].endswith(("/price", "/amount", "/value")), pointers


@pytest.mark.parametrize("path", [ITEMS, PRODUCTS])
async def test_query_with_another_form_of_money_is_refused(
    module_client: httpx2.AsyncClient, path: str
) -> None:
    for name in ("price__gte", "price__lte"):
        for sent in ("-0.00", "1e2", "1_0", " 1", "\uff11", "1.005"):
            response = await module_client.get(path, params={name: sent})
            assert response.status_code == 422, (name, sent)
            assert response.json()["errors"][0]["pointer"] == f"/query/{name}"
        assert (await module_client.get(path, params={name: "7.5"})).status_code == 200


async def test_file_with_another_form_of_money_is_refused(
    module_client: httpx2.AsyncClient,
) -> None:
    prices = ("1e2", "1_0", " 1", "\uff11", "1.005", "7.5", "007")
    rows = [f"M-{number},x,{price},EUR" for number, price in enumerate(prices)]
    body = "\n".join(["sku,name,price,currency", *rows]).encode()
    lines = await import_file(module_client, body, "text/csv")
    assert (lines[-1]["created"], lines[-1]["rejected"]) == (2, 5)
    places = [fault["errors"][0]["pointer"] for line in lines for fault in line["errors"]]
    assert places == ["/price"] * 5


@pytest.mark.parametrize(("path", "body"), [(ITEMS, {"name": "x"}), (PRODUCTS, product_body())])
async def test_money_is_answered_with_two_decimals(
    client: httpx2.AsyncClient, path: str, body: dict[str, Any]
) -> None:
    for number, (sent, answered) in enumerate(
        [("5", "5.00"), ("7.5", "7.50"), (19.99, "19.99"), (3, "3.00"), ("0", "0.00")]
    ):
        unique = {"sku": f"M-{number}"} if "sku" in body else {}
        made = await client.post(path, json={**body, **unique, "price": sent})
        assert made.status_code == 201, made.text
        assert made.json()["price"] == answered
        assert (await client.get(made.headers["location"])).json()["price"] == answered


def test_openapi_money_in_requests_has_the_pattern(app: FastAPI) -> None:
    document = app.openapi()
    schemas = document["components"]["schemas"]
    requests = [
        *(schemas[name]["properties"]["price"] for name in ("ItemCreate", "ItemUpdate")),
        *(schemas[name]["properties"]["price"] for name in ("ProductCreate", "ProductUpdate")),
        schemas["TransferCreate"]["properties"]["amount"],
        *(
            parameter["schema"]
            for path in (ITEMS, PRODUCTS)
            for parameter in document["paths"][path]["get"]["parameters"]
            if parameter["name"] in ("price__gte", "price__lte")
        ),
    ]
    assert len(requests) == 9
    for schema in requests:
        texts = [part for part in schema["anyOf"] if part.get("type") == "string"]
        assert [text["pattern"] for text in texts] == [MONEY_PATTERN]


def test_no_schema_has_a_decimal_of_its_own() -> None:
    for path in Path(service.__path__[0]).rglob("schemas.py"):
        assert path.parent.name == "web" or "Decimal" not in path.read_text(), path
