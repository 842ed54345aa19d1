"""Import of rows that have some values: what a row does not have stays as it is."""

from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.relational.catalog.factories import (
    CSV,
    import_file,
    make_category,
    make_product,
    movements,
    products_by_sku,
    to_lines,
)


async def make_cup(client: httpx2.AsyncClient) -> dict[str, Any]:
    category = await make_category(client)
    fields = {"name": "Cup", "description": "Blue", "price": "3.50", "stock": 40}
    return await make_product(client, category_id=category["id"], **fields)


def changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    names = ("name", "description", "price", "stock", "category_id")
    return {name: after[name] for name in names if after[name] != before[name]}


@pytest.mark.parametrize(
    ("head", "row", "wanted"),
    [
        ("sku,price", "3.90", {"price": "3.90"}),
        ("sku,name,price,currency", "Cup,3.90,EUR", {"price": "3.90"}),
        ("sku,description", "", {"description": ""}),
        ("sku,category_id", "", {"category_id": None}),
        ("sku,stock,name", ",Mug", {"name": "Mug"}),
        ("sku,stock", "0", {"stock": 0}),
        ("sku,version,name", ",Mug", {"name": "Mug"}),
    ],
)
async def test_import_csv_changes_only_what_the_row_has(
    client: httpx2.AsyncClient, head: str, row: str, wanted: dict[str, Any]
) -> None:
    cup = await make_cup(client)
    (line,) = await import_file(client, f"{head}\n{cup['sku']},{row}\n".encode(), CSV)
    assert (line["updated"], line["rejected"]) == (1, 0)
    after = (await products_by_sku(client))[cup["sku"]]
    assert changed(cup, after) == wanted
    assert len(await movements(client, cup)) == 1 + ("stock" in wanted)


async def test_import_ndjson_changes_only_what_the_line_has(client: httpx2.AsyncClient) -> None:
    cup, mug = await make_cup(client), await make_cup(client)
    rows = [{"sku": cup["sku"], "price": "3.90"}, {"sku": mug["sku"], "category_id": None}]
    (line,) = await import_file(client, to_lines(*rows))
    assert (line["updated"], line["rejected"]) == (2, 0)
    stored = await products_by_sku(client)
    assert changed(cup, stored[cup["sku"]]) == {"price": "3.90"}
    assert changed(mug, stored[mug["sku"]]) == {"category_id": None}


@pytest.mark.parametrize(
    ("head", "row", "pointer"),
    [("sku,name", "", "/name"), ("sku,price", "", "/price"), ("sku,currency", "", "/currency")],
)
async def test_import_csv_empty_required_value_is_rejected(
    client: httpx2.AsyncClient, head: str, row: str, pointer: str
) -> None:
    cup = await make_cup(client)
    (line,) = await import_file(client, f"{head}\n{cup['sku']},{row}\n".encode(), CSV)
    assert (line["updated"], line["rejected"]) == (0, 1)
    assert line["errors"][0]["errors"][0]["pointer"] == pointer


async def test_import_new_product_without_required_values_is_rejected(
    client: httpx2.AsyncClient,
) -> None:
    (line,) = await import_file(client, b"sku,price\nNEW-1,3.90\n", CSV)
    (fault,) = line["errors"]
    assert [error["pointer"] for error in fault["errors"]] == ["/name", "/currency"]
    assert await products_by_sku(client) == {}


async def test_import_version_guards_like_if_match(client: httpx2.AsyncClient) -> None:
    cup, mug = await make_cup(client), await make_cup(client)
    text = f"sku,version,name\n{cup['sku']},1,A\n{mug['sku']},7,B\nNEW-1,1,C\n"
    (line,) = await import_file(client, text.encode(), CSV)
    assert (line["updated"], line["rejected"]) == (1, 2)
    found = [(fault["line"], fault["errors"][0]) for fault in line["errors"]]
    assert [(number, error["pointer"], error["code"]) for number, error in found] == [
        (3, "/version", "precondition_failed"),
        (4, "/version", "precondition_failed"),
    ]
    stored = await products_by_sku(client)
    assert (stored[cup["sku"]]["name"], stored[mug["sku"]]["name"]) == ("A", "Cup")


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["N-1", "N-2", "bad sku", ""]),
        st.text(alphabet="\",;\n\r a'=", min_size=1, max_size=8) | st.text("x", max_size=300),
        st.booleans(),
    ),
    max_size=12,
)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rows=ROWS)
async def test_import_counts_each_record_once(
    client: httpx2.AsyncClient, rows: list[tuple[str, str, bool]]
) -> None:
    lines = []
    for sku, name, broken in rows:
        quoted = name.replace('"', '""')
        lines.append(f'{sku},"Pan" {len(name)},1' if broken else f'{sku},"{quoted}",1,EUR')
    text = "\n".join(["sku,name,price,currency", *lines])
    line = (await import_file(client, text.encode(), CSV))[-1]
    counted = sum(line[name] for name in ("created", "updated", "unchanged", "rejected"))
    assert counted == len(rows)
    assert line["rejected"] >= sum(broken for *_, broken in rows)
