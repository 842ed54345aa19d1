"""Import of files as programs write them: Excel's dialects, charsets, compressed bodies."""

import gzip
import sys
from typing import Any

import httpx2
import pytest

from tests.relational.catalog.factories import (
    CSV,
    NDJSON,
    PRODUCTS,
    import_file,
    product_body,
    products_by_sku,
    to_lines,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ROW = {"sku": "E-1", "name": "Größe", "price": "3.50", "currency": "EUR", "stock": 4}


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        ("sku;name;price;currency;stock\r\nE-1;Größe;3,50;EUR;4\r\n", "utf-8"),
        ("\ufeffsku;name;price;currency;stock\nE-1;Größe;3.50;EUR;4", "utf-8"),
        ("sep=;\r\nsku;name;price;currency;stock\r\nE-1;Größe;3,5;EUR;4\r\n", "windows-1252"),
        ("sku\tname\tprice\tcurrency\tstock\rE-1\tGröße\t3,50\tEUR\t4\r", "iso-8859-1"),
        ("sku\tname\tprice\tcurrency\tstock\r\nE-1\tGröße\t3,50\tEUR\t4\r\n", "utf-16"),
        ("SKU, Name ,PRICE,Currency,Stock\rE-1,Größe,3.50,EUR,4\r", "utf-8"),
        ('"sku";"name";"price";"currency";"stock"\n"E-1";"Größe";"3,50";"EUR";"4"\n', "utf-8"),
        ('sku,name,width ",price,currency,stock\nE-1,Größe,,3.50,EUR,4\n', "utf-8"),
        ('sku;name;",\n,";price;currency;stock\nE-1;Größe;;3.50;EUR;4\n', "utf-8"),
        ('\ufeff"a\nb",sku,name,price,currency,stock\n,E-1,Größe,3.50,EUR,4\n', "utf-8"),
        ("\n\nsku,name,price,currency,stock\n\nE-1,Größe,3.50,EUR,4\n", "utf-8"),
    ],
    ids=[
        "semicolon",
        "mark",
        "sep",
        "tab and cr",
        "unicode text",
        "case",
        "quoted",
        "inch",
        "lines",
        "marked",
        "blank",
    ],
)
async def test_import_csv_of_a_dialect_is_read(
    client: httpx2.AsyncClient, text: str, charset: str
) -> None:
    (line,) = await import_file(client, text.encode(charset), f'{CSV}; charset="{charset}"')
    assert (line["created"], line["rejected"]) == (1, 0)
    stored = (await products_by_sku(client))["E-1"]
    assert {name: stored[name] for name in ROW} == ROW


async def test_import_csv_utf16_with_a_mark_needs_no_charset(client: httpx2.AsyncClient) -> None:
    text = "sku\tname\tprice\tcurrency\nE-1\tGröße\t3.50\tEUR\n"
    (line,) = await import_file(client, text.encode("utf-16"), CSV)
    assert line["created"] == 1


async def test_import_csv_record_in_another_charset_is_rejected_alone(
    client: httpx2.AsyncClient,
) -> None:
    text = b"sku,name,price,currency\nE-1,Gr\xf6\xdfe,1,EUR\nE-2,Size,1,EUR\n"
    (line,) = await import_file(client, text, CSV)
    assert (line["created"], line["rejected"], line["errors"][0]["line"]) == (1, 1, 2)


async def test_import_csv_other_columns_are_reported(client: httpx2.AsyncClient) -> None:
    text = (
        "sku;Farbe;name;price;currency;;Lager Ort\nE-1;rot;Tasse;1.234,50;EUR;;A\nE-2;;T;1;EUR;;\n"
    )
    (line,) = await import_file(client, text.encode(), CSV)
    assert (line["created"], line["rejected"]) == (1, 1)
    assert line["ignored_columns"] == ["Farbe", "Lager Ort"]
    assert line["errors"][0]["errors"][0]["pointer"] == "/price"


async def test_import_csv_comma_is_no_decimal_sign_of_a_comma_file(
    client: httpx2.AsyncClient,
) -> None:
    text = 'sku,name,price,currency\nE-1,Cup,"3,50",EUR\n'
    (line,) = await import_file(client, text.encode(), CSV)
    assert line["errors"][0]["errors"][0]["pointer"] == "/price"


@pytest.mark.parametrize(
    "content_type",
    [
        f"{CSV}; charset=klingon",
        f"{CSV}; charset=rot13",
        f"{NDJSON}; charset=utf-16",
        "text/plain",
        f"{CSV}; charset*=utf-8''x; charset*0*=y",
        f"{CSV}; charset*{'1' * 5000}*=x",
    ],
    ids=["unknown", "not of text", "not of ndjson", "type", "parts", "part number"],
)
async def test_import_unknown_charset_or_type_is_415(
    client: httpx2.AsyncClient, content_type: str
) -> None:
    headers = {"Content-Type": content_type}
    response = await client.post(f"{PRODUCTS}/import", content=b"sku\n", headers=headers)
    assert response.status_code == 415


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("zstd", zstd.compress)]
)
async def test_import_compressed_is_read(
    client: httpx2.AsyncClient, encoding: str, compress: Any, mark: bytes
) -> None:
    body = compress(mark + to_lines(product_body(), product_body()))
    (line,) = await import_file(client, body, NDJSON, **{"Content-Encoding": encoding})
    assert (line["created"], line["rejected"]) == (2, 0)


@pytest.mark.parametrize(
    ("padding", "codes"), [(b"\0" * 70_000, []), (b"\0x", ["bad_encoding"])], ids=["zeros", "text"]
)
async def test_import_gzip_padded_with_zeros_is_read(
    client: httpx2.AsyncClient, padding: bytes, codes: list[str]
) -> None:
    rows = to_lines(*[product_body() for _ in range(201)])
    body = gzip.compress(rows) + padding + padding
    lines = await import_file(client, body, NDJSON, **{"Content-Encoding": "gzip"})
    assert [line["code"] for line in lines if "code" in line] == codes


@pytest.mark.parametrize(("encoding", "status"), [("br", 415), ("gzip", 400)])
async def test_import_wrong_encoding_is_refused(
    client: httpx2.AsyncClient, encoding: str, status: int
) -> None:
    headers = {"Content-Type": CSV, "Content-Encoding": encoding}
    response = await client.post(f"{PRODUCTS}/import", content=b"sku,name\n", headers=headers)
    assert response.status_code == status
