"""Products as files: import reports line by line, export is what import takes."""

import asyncio
import csv
import io
import json
from typing import Any

import httpx2
import pytest

from service.relational.catalog.import_file import LINES_AT_ONCE
from tests.relational.catalog.factories import (
    PRODUCTS,
    make_category,
    make_product,
    movements,
    product_body,
)

NDJSON, CSV = "application/x-ndjson", "text/csv"


async def load(client: httpx2.AsyncClient, body: bytes, kind: str = NDJSON) -> list[dict[str, Any]]:
    headers = {"Content-Type": kind}
    answer = await client.post(f"{PRODUCTS}/import", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.content.splitlines()]


def as_lines(*rows: Any) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def counts(told: dict[str, Any]) -> tuple[int, ...]:
    return tuple(told[name] for name in ("committed_through", "created", "updated", "rejected"))


async def by_sku(client: httpx2.AsyncClient) -> dict[str, dict[str, Any]]:
    found = (await client.get(PRODUCTS, params={"limit": 200})).json()["items"]
    return {product["sku"]: product for product in found}


async def test_lines_make_and_change_products_and_say_what_is_wrong(
    client: httpx2.AsyncClient,
) -> None:
    known = await make_product(client, stock=5)
    new, bad = product_body(), product_body(price="free")
    lost = product_body(category_id="01930d6e-0000-7000-8000-000000000000")
    changed = product_body(sku=known["sku"], stock=7, price="1.00")
    body = as_lines(new, bad) + b"\n{\n" + as_lines(changed, lost)
    (told,) = await load(client, body)
    assert counts(told) == (6, 1, 1, 3)
    assert [(each["line"], each["errors"][0]["pointer"]) for each in told["errors"]] == [
        (2, "/price"),
        (4, ""),
        (6, "/category_id"),
    ]
    there = await by_sku(client)
    assert set(there) == {new["sku"], known["sku"]}
    assert (there[known["sku"]]["price"], there[known["sku"]]["version"]) == ("1.00", 2)
    moved = [(each["change"], each["reason"]) for each in await movements(client, known)]
    assert moved == [(2, "counted"), (5, "initial")]


async def test_a_file_sent_twice_changes_nothing_but_versions(client: httpx2.AsyncClient) -> None:
    rows = [product_body(stock=3) for _ in range(LINES_AT_ONCE + 1)]
    first = await load(client, as_lines(*rows))
    assert [counts(each) for each in first] == [(200, 200, 0, 0), (201, 201, 0, 0)]
    again = await load(client, as_lines(*rows))
    assert counts(again[-1]) == (201, 0, 201, 0)
    product = (await by_sku(client))[rows[-1]["sku"]]
    assert (product["stock"], len(await movements(client, product))) == (3, 1)


async def test_of_two_lines_with_one_sku_the_later_counts(client: httpx2.AsyncClient) -> None:
    row = product_body(stock=1)
    lower = {**row, "sku": row["sku"].lower(), "stock": 3}
    told = await load(client, as_lines(row, {**row, "stock": 2}, lower))
    assert counts(told[-1]) == (3, 1, 2, 0)
    (product,) = (await by_sku(client)).values()
    assert product["stock"] == 3


async def test_a_deleted_product_comes_back_with_its_line(client: httpx2.AsyncClient) -> None:
    product = await make_product(client)
    await client.delete(f"{PRODUCTS}/{product['id']}")
    await load(client, as_lines(product_body(sku=product["sku"], name="again")))
    assert (await client.get(f"{PRODUCTS}/{product['id']}")).json()["name"] == "again"


async def test_csv_is_read_with_quotes_over_lines_and_any_order_of_columns(
    client: httpx2.AsyncClient,
) -> None:
    category = await make_category(client)
    body = (
        "\ufeffprice,sku,currency,name,description,stock,category_id\r\n"
        f'1.50,A-1,EUR,"Cup, ""small""","two\nlines",7,{category["id"]}\r\n'
        "\r\n"
        "2.00,A-2,EUR,Spoon,,,\r\n"
        "x,A-3,EUR,Fork,,,\r\n"
        "2.00,A-4,EUR\r\n"
        "2.00,A-5,EUR,Knife,,-1,\r\n"
        '2.00,A-6,EUR,"open'
    )
    (told,) = await load(client, body.encode(), CSV)
    assert counts(told)[1:] == (2, 0, 4)
    assert [each["line"] for each in told["errors"]] == [6, 7, 8, 9]
    there = await by_sku(client)
    cup = there["A-1"]
    assert (cup["name"], cup["description"], cup["stock"]) == ('Cup, "small"', "two\nlines", 7)
    assert (there["A-2"]["stock"], there["A-2"]["category_id"]) == (0, None)


@pytest.mark.parametrize("head", ["sku,name", "sku,sku,name,price,currency", "a;b", "\xff"])
async def test_a_csv_without_names_is_refused(client: httpx2.AsyncClient, head: str) -> None:
    body = f"{head}\nx,y\n".encode("latin-1")
    answer = await client.post(f"{PRODUCTS}/import", content=body, headers={"Content-Type": CSV})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_csv_header")
    assert await by_sku(client) == {}


async def test_other_files_are_refused(client: httpx2.AsyncClient) -> None:
    answer = await client.post(f"{PRODUCTS}/import", json=product_body())
    assert answer.status_code == 415


async def test_two_loads_of_the_same_products_end_in_one_of_both(
    client: httpx2.AsyncClient,
) -> None:
    rows = [product_body(stock=1) for _ in range(40)]
    other = [{**row, "stock": 2} for row in reversed(rows)]
    told = await asyncio.gather(load(client, as_lines(*rows)), load(client, as_lines(*other)))
    assert sum(each[-1]["created"] for each in told) == 40
    assert sum(each[-1]["updated"] for each in told) == 40
    for product in (await by_sku(client)).values():
        moved = await movements(client, product)
        assert sum(each["change"] for each in moved) == product["stock"]
        assert product["stock"] in (1, 2)


@pytest.mark.parametrize("kind", ["ndjson", "csv"])
async def test_what_is_exported_can_be_imported(client: httpx2.AsyncClient, kind: str) -> None:
    category = await make_category(client)
    await make_product(client, category_id=category["id"], description='a "b",\nc', price="0.10")
    await make_product(client, stock=0)
    gone = await make_product(client)
    await client.delete(f"{PRODUCTS}/{gone['id']}")
    before = await by_sku(client)
    answer = await client.get(f"{PRODUCTS}/export", params={"format": kind})
    assert answer.status_code == 200
    if kind == "csv":
        assert len(list(csv.DictReader(io.StringIO(answer.text)))) == 2
    (told,) = await load(client, answer.content, {"ndjson": NDJSON, "csv": CSV}[kind])
    assert (told["updated"], told["rejected"]) == (2, 0)
    after = await by_sku(client)
    same = ("id", "name", "description", "price", "stock", "category_id")
    for sku, product in before.items():
        assert [after[sku][name] for name in same] == [product[name] for name in same]


@pytest.mark.parametrize(
    "text", ["=1+1", "-1", "@SUM(A1)", "\uff1d1", "'t Hooft", "''", "'=1", "a=1"]
)
async def test_no_cell_is_a_formula_and_all_come_back(
    client: httpx2.AsyncClient, text: str
) -> None:
    made = await make_product(client, name=text, description=text)
    file = (await client.get(f"{PRODUCTS}/export", params={"format": "csv"})).content
    (row,) = csv.DictReader(io.StringIO(file.decode()))
    assert row["name"] == (text if text == "a=1" else f"'{text}")
    (told,) = await load(client, file, CSV)
    assert (told["updated"], told["rejected"]) == (1, 0)
    after = (await by_sku(client))[made["sku"]]
    assert (after["name"], after["description"]) == (text, text)


async def test_a_quote_of_somebody_elses_file_stays(client: httpx2.AsyncClient) -> None:
    file = b"sku,name,price,currency\nq-1,'t Hooft,1.00,EUR\n"
    await load(client, file, CSV)
    assert (await by_sku(client))["q-1"]["name"] == "'t Hooft"


async def test_an_export_is_read_in_pages(client: httpx2.AsyncClient) -> None:
    rows = [product_body() for _ in range(1100)]
    await load(client, as_lines(*rows))
    lines = (await client.get(f"{PRODUCTS}/export")).content.splitlines()
    assert {json.loads(line)["sku"] for line in lines} == {row["sku"] for row in rows}
    assert len(lines) == len(rows)
