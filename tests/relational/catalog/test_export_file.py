"""Export of products: what import accepts, and cut if it cannot be completed."""

import asyncio
import csv
import io
import json
from asyncio import StreamReader
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx2
import pytest
from sqlalchemy import text as sql_text

from service.main import State
from service.relational.catalog.export_file import ROWS_PER_PAGE, ProductExportResponse
from service.web import permission_recheck, streaming
from tests.auth.factories import bearer, create_key, create_user
from tests.documents.predictions.live_server import connect, read_chunk, read_head, serving
from tests.relational.catalog.factories import (
    CSV,
    NDJSON,
    PRODUCTS,
    import_file,
    make_category,
    make_product,
    product_body,
    products_by_sku,
    to_lines,
)

LAST_CHUNK = b"0\r\n\r\n"
PRODUCT_COUNT = 8 * ROWS_PER_PAGE  # 20 MB, more than the buffers of a connection hold


@pytest.mark.parametrize("format_", ["ndjson", "csv"])
async def test_export_can_be_imported(client: httpx2.AsyncClient, format_: str) -> None:
    category = await make_category(client)
    await make_product(client, category_id=category["id"], description='a "b",\nc', price="0.10")
    await make_product(client, stock=0)
    deleted = await make_product(client)
    await client.delete(f"{PRODUCTS}/{deleted['id']}")
    before = await products_by_sku(client)
    response = await client.get(f"{PRODUCTS}/export", params={"format": format_})
    assert response.status_code == 200
    if format_ == "csv":
        assert len(list(csv.DictReader(io.StringIO(response.text)))) == 2
    (line,) = await import_file(client, response.content, {"ndjson": NDJSON, "csv": CSV}[format_])
    assert (line["unchanged"], line["rejected"]) == (2, 0)
    for product in before.values():
        await client.patch(f"{PRODUCTS}/{product['id']}", json={"name": "other", "price": "7"})
    (line,) = await import_file(client, response.content, {"ndjson": NDJSON, "csv": CSV}[format_])
    assert (line["updated"], line["rejected"]) == (2, 0)
    after = await products_by_sku(client)
    same = ("id", "name", "description", "price", "stock", "category_id")
    for sku, product in before.items():
        assert [after[sku][name] for name in same] == [product[name] for name in same]


@pytest.mark.parametrize(
    "text", ["=1+1", "-1", "@SUM(A1)", "\uff1d1", "'t Hooft", "''", "'=1", "a=1"]
)
async def test_export_csv_formula_is_escaped_and_import_restores_it(
    client: httpx2.AsyncClient, text: str
) -> None:
    made = await make_product(client, name=text, description=text)
    file = (await client.get(f"{PRODUCTS}/export", params={"format": "csv"})).content
    (row,) = csv.DictReader(io.StringIO(file.decode()))
    assert row["name"] == (text if text == "a=1" else f"'{text}")
    await client.patch(f"{PRODUCTS}/{made['id']}", json={"name": "x", "description": "x"})
    (line,) = await import_file(client, file, CSV)
    assert (line["updated"], line["rejected"]) == (1, 0)
    after = (await products_by_sku(client))[made["sku"]]
    assert (after["name"], after["description"]) == (text, text)


async def test_export_for_excel_has_its_dialect_and_can_be_imported(
    client: httpx2.AsyncClient,
) -> None:
    made = await make_product(client, name="Größe; 4", description='a "b",\nc', price="1250.50")
    response = await client.get(f"{PRODUCTS}/export", params={"dialect": "excel"})
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    header, row = response.content.decode().split("\r\n", 1)
    assert header == "\ufeffsku;name;description;price;currency;stock;category_id"
    assert row == f'{made["sku"]};"Größe; 4";"a ""b"",\nc";1250,50;EUR;60;\r\n'
    (line,) = await import_file(client, response.content, CSV)
    assert (line["unchanged"], line["rejected"]) == (1, 0)


async def test_export_dialect_of_ndjson_is_rejected(client: httpx2.AsyncClient) -> None:
    query = {"format": "ndjson", "dialect": "excel"}
    assert (await client.get(f"{PRODUCTS}/export", params=query)).status_code == 422


async def test_export_of_several_pages_is_complete(client: httpx2.AsyncClient) -> None:
    rows = [product_body() for _ in range(1100)]
    await import_file(client, to_lines(*rows))
    lines = (await client.get(f"{PRODUCTS}/export")).content.splitlines()
    assert {json.loads(line)["sku"] for line in lines} == {row["sku"] for row in rows}
    assert len(lines) == len(rows)


async def make_large_products(state: State) -> None:
    statement = sql_text(
        "INSERT INTO products (id, sku, name, description, price, currency)"
        " SELECT gen_random_uuid(), 'L-' || n, 'large', repeat('x', 5000), 1, 'EUR'"
        " FROM generate_series(1, :count) AS n"
    )
    async with state["sql"].engine.begin() as connection:
        await connection.execute(statement, {"count": PRODUCT_COUNT})


@asynccontextmanager
async def started_export(port: int, **headers: str) -> AsyncIterator[StreamReader]:
    """Yield a connection whose response has started and is not read."""
    reader, writer = await connect(port)
    lines = [f"GET {PRODUCTS}/export HTTP/1.1", "Host: polystore"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    try:
        assert await read_head(reader) == 200
        yield reader
    finally:
        writer.close()


async def assert_cut(reader: StreamReader) -> None:
    async with asyncio.timeout(30):
        rest = b""
        with suppress(ConnectionResetError):  # if the client did not read
            while piece := await reader.read(1_000_000):
                rest += piece
    assert not rest.endswith(LAST_CHUNK)
    assert rest.count(b"L-") < PRODUCT_COUNT


async def test_export_slow_reader_is_cut(
    reset_stores: None, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, respond = asyncio.Event(), ProductExportResponse.__call__

    async def respond_and_note(*arguments: Any) -> None:
        try:
            await respond(*arguments)
        finally:
            ended.set()

    monkeypatch.setattr(streaming, "WRITE_SECONDS", 0.2)
    monkeypatch.setattr(ProductExportResponse, "__call__", respond_and_note)
    await make_large_products(state)
    async with serving(state) as port, started_export(port) as reader:
        async with asyncio.timeout(30):
            await ended.wait()  # though the client is still connected
        await assert_cut(reader)


async def test_export_revoked_key_is_cut(
    state: State, anonymous_client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(permission_recheck, "RECHECK_INTERVAL_SECONDS", 0.0)
    owner = await create_user(state, "admin")
    key = await create_key(state, owner.id, "catalog:read")
    await make_large_products(state)
    async with (
        serving(state, authenticator=state["authenticator"]) as port,
        started_export(port, **bearer(key)) as reader,
    ):
        assert await read_chunk(reader)
        address = f"/v1/api_keys/{key.split('_')[1]}"
        revoked = await anonymous_client.delete(address, headers=owner.headers)
        assert revoked.status_code == 204
        await assert_cut(reader)
