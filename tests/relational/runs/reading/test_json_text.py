"""JSON that PostgreSQL puts together from strings."""

import json
import math
from typing import Any

import pytest
from sqlalchemy import BigInteger, Double, Text, column, literal, select, values

from service.relational.runs.reading.json_text import list_text, members_text, object_text
from service.stores.sql.context import SqlContext

TEXTS = [
    "",
    'a "quoted" \\ text',
    "line\nbreak\ttab\x01",
    "</script> é 𝄞 \u2028",
    "{0} %s $1 :a ''",
]


async def _written(context: SqlContext, text: Any) -> str:
    return str(await context.session.scalar(select(text)))


@pytest.mark.parametrize("text", TEXTS)
async def test_object_text_of_any_characters_reads_back(sql_context: SqlContext, text: str) -> None:
    row = object_text({"key": literal(text, Text), "step": literal(-(2**63), BigInteger)})
    assert json.loads(await _written(sql_context, row)) == {"key": text, "step": -(2**63)}


@pytest.mark.parametrize("value", [0.1, 1e-7, 5e-324, 1.7976931348623157e308, 1e22])
async def test_object_text_of_a_number_is_exact(sql_context: SqlContext, value: float) -> None:
    written = await _written(sql_context, object_text({"value": literal(value, Double)}))
    assert json.loads(written) == {"value": value}


@pytest.mark.parametrize(
    ("value", "shown"),
    [(math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity")],
)
async def test_object_text_of_no_finite_number_is_a_string(
    sql_context: SqlContext, value: float, shown: str
) -> None:
    written = await _written(sql_context, object_text({"value": literal(value, Double)}))
    assert json.loads(written) == {"value": shown}


async def test_object_text_without_an_optional_value_leaves_it_out(sql_context: SqlContext) -> None:
    fields: dict[str, Any] = {"a": literal("x", Text), "b": literal(None, BigInteger)}
    written = await _written(sql_context, object_text(fields, optional=("b",)))
    assert written == '{"a":"x"}'


async def test_list_text_of_no_rows_leaves_the_member_out(sql_context: SqlContext) -> None:
    rows = values(column("n", BigInteger), name="rows").data([(1,), (2,)])
    some = select(list_text(object_text({"n": rows.c.n})))
    lists = {
        "all": some.scalar_subquery(),
        "none": some.where(rows.c.n > 2).scalar_subquery(),
    }
    assert await _written(sql_context, members_text(lists)) == '{"all":[{"n":1},{"n":2}]}'
