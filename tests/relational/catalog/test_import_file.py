"""Import of products: each line is created, changed or reported."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from service.core.errors import MAX_ERRORS
from service.relational.catalog.file_format import MAX_RECORD_BYTES
from service.relational.catalog.import_file import BYTES_PER_TRANSACTION, LINES_PER_TRANSACTION
from tests.relational.catalog.factories import (
    CSV,
    NDJSON,
    PRODUCTS,
    import_file,
    make_category,
    make_product,
    movements,
    product_body,
    products_by_sku,
    to_lines,
)


def counts(line: dict[str, Any]) -> tuple[int, ...]:
    return tuple(line[name] for name in ("committed_through", "created", "updated", "rejected"))


async def test_import_creates_changes_and_reports_errors_per_line(
    client: httpx2.AsyncClient,
) -> None:
    known = await make_product(client, stock=5)
    new, bad = product_body(), product_body(price="free")
    lost = product_body(category_id="01930d6e-0000-7000-8000-000000000000")
    changed = product_body(sku=known["sku"], stock=7, price="1.00")
    body = to_lines(new, bad) + b"\n{\n" + to_lines(changed, lost)
    (line,) = await import_file(client, body)
    assert counts(line) == (6, 1, 1, 3)
    assert [(error["line"], error["errors"][0]["pointer"]) for error in line["errors"]] == [
        (2, "/price"),
        (4, ""),
        (6, "/category_id"),
    ]
    stored = await products_by_sku(client)
    assert set(stored) == {new["sku"], known["sku"]}
    assert (stored[known["sku"]]["price"], stored[known["sku"]]["version"]) == ("1.00", 2)
    moved = [
        (movement["change"], movement["reason"]) for movement in await movements(client, known)
    ]
    assert moved == [(2, "counted"), (5, "initial")]


async def test_import_repeated_file_changes_nothing(client: httpx2.AsyncClient) -> None:
    rows = [product_body(stock=3) for _ in range(LINES_PER_TRANSACTION + 1)]
    first = await import_file(client, to_lines(*rows))
    assert [counts(lines) for lines in first] == [(200, 200, 0, 0), (201, 201, 0, 0)]
    again = await import_file(client, to_lines(*rows))
    assert (counts(again[-1]), again[-1]["unchanged"]) == ((201, 0, 0, 0), 201)
    product = (await products_by_sku(client))[rows[-1]["sku"]]
    assert (product["version"], len(await movements(client, product))) == (1, 1)


async def test_import_later_line_of_a_sku_wins(client: httpx2.AsyncClient) -> None:
    row = product_body(stock=1)
    lower = {**row, "sku": row["sku"].lower(), "stock": 3}
    lines = await import_file(client, to_lines(row, {**row, "stock": 2}, lower))
    assert counts(lines[-1]) == (3, 1, 2, 0)
    (product,) = (await products_by_sku(client)).values()
    assert product["stock"] == 3


async def test_import_restores_deleted_product(client: httpx2.AsyncClient) -> None:
    product = await make_product(client)
    await client.delete(f"{PRODUCTS}/{product['id']}")
    await import_file(client, to_lines(product_body(sku=product["sku"], name="again")))
    assert (await client.get(f"{PRODUCTS}/{product['id']}")).json()["name"] == "again"


async def test_import_csv_takes_multiline_values_and_any_column_order(
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
    (line,) = await import_file(client, body.encode(), CSV)
    assert counts(line)[1:] == (2, 0, 4)
    assert [error["line"] for error in line["errors"]] == [6, 7, 8, 9]
    stored = await products_by_sku(client)
    cup = stored["A-1"]
    assert (cup["name"], cup["description"], cup["stock"]) == ('Cup, "small"', "two\nlines", 7)
    assert (stored["A-2"]["stock"], stored["A-2"]["category_id"]) == (0, None)


@pytest.mark.parametrize("head", ["name,price", "sku,sku,name,price,currency", "a;b", "\xff"])
async def test_import_csv_without_column_names_is_rejected(
    client: httpx2.AsyncClient, head: str
) -> None:
    body = f"{head}\nx,y\n".encode("latin-1")
    response = await client.post(f"{PRODUCTS}/import", content=body, headers={"Content-Type": CSV})
    assert (response.status_code, response.json()["code"]) == (400, "bad_csv_header")
    assert await products_by_sku(client) == {}


async def test_import_other_content_type_is_rejected(client: httpx2.AsyncClient) -> None:
    response = await client.post(f"{PRODUCTS}/import", json=product_body())
    assert response.status_code == 415


async def test_import_concurrent_files_end_in_one_of_both(
    client: httpx2.AsyncClient,
) -> None:
    rows = [product_body(stock=1) for _ in range(40)]
    other = [{**row, "stock": 2} for row in reversed(rows)]
    lines = await asyncio.gather(
        import_file(client, to_lines(*rows)), import_file(client, to_lines(*other))
    )
    assert sum(results[-1]["created"] for results in lines) == 40
    assert sum(results[-1]["updated"] for results in lines) == 40
    for product in (await products_by_sku(client)).values():
        moved = await movements(client, product)
        assert sum(movement["change"] for movement in moved) == product["stock"]
        assert product["stock"] in (1, 2)


async def test_import_csv_leading_quote_of_other_files_stays(client: httpx2.AsyncClient) -> None:
    file = b"sku,name,price,currency\nq-1,'t Hooft,1.00,EUR\n"
    await import_file(client, file, CSV)
    assert (await products_by_sku(client))["q-1"]["name"] == "'t Hooft"


async def test_import_lines_of_many_errors_name_some_in_short_transactions(
    client: httpx2.AsyncClient,
) -> None:
    row = product_body(**{f"unknown {number}": "" for number in range(3000)})
    size = len(to_lines(row))
    lines = await import_file(client, to_lines(*[row] * (BYTES_PER_TRANSACTION // size + 2)))
    assert [len(line["errors"]) for line in lines] == [BYTES_PER_TRANSACTION // size + 1, 1]
    assert {len(error["errors"]) for line in lines for error in line["errors"]} == {MAX_ERRORS}


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
async def test_import_ndjson_line_too_long_is_rejected_in_any_pieces(
    client: httpx2.AsyncClient, mark: bytes
) -> None:
    good = to_lines(product_body())
    blanks = b" " * (MAX_RECORD_BYTES + 1)

    async def pieces() -> AsyncIterator[bytes]:
        yield mark + blanks
        yield b'{"sku": "lost",'
        yield good + good

    response = await client.post(
        f"{PRODUCTS}/import", content=pieces(), headers={"Content-Type": NDJSON}
    )
    line = response.json()
    assert (line["created"], line["rejected"]) == (1, 1)
    assert line["errors"][0]["errors"][0]["code"] == "line_too_long"
