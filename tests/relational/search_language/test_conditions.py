"""Filters and orders among a few runs, by names that only this test declares."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.orm import aliased
from uuid_utils.compat import uuid7

from service.core.signing import Signer
from service.relational.experiments.tables import DEFAULT_ID
from service.relational.runs.tables import Run, RunMetric, RunTag
from service.relational.search_language.conditions import condition
from service.relational.search_language.errors import InvalidFilter, InvalidOrder
from service.relational.search_language.grammar import parse_filter
from service.relational.search_language.ordering import Ordering, parse_order
from service.relational.search_language.page_tokens import PageTokens
from service.relational.search_language.searchable import Attribute, Keyed, Related, Searchable
from service.stores.sql.context import SqlContext
from service.web.lists.cursors import BadCursor

NAN, INF = math.nan, math.inf
LONG = "é" * 300
RUNS: dict[str, tuple[dict[str, float], dict[str, str]]] = {
    "a": ({"loss": 0.5}, {"x": "abc", "hidden": "true", "long": LONG + "1"}),
    "b": ({"loss": NAN}, {"x": "ABC", "hidden": "false", "long": LONG + "2"}),
    "c": ({"loss": INF}, {"x": "a%c\\", "a b": "É"}),
    "d": ({"loss": -INF, "acc": 1.0}, {}),
    "e": ({"acc": 2.0}, {"x": ""}),
}
NAMES = Searchable(
    entities={
        "attributes": {
            "name": Attribute(Run.name, sets=True),
            "status": Attribute(Run.status, order=False),
            "version": Attribute(Run.version, "number"),
            "start": Attribute(Run.started_at, "time"),
            "end": Attribute(Run.ended_at, "time", nullable=True),
        },
        "tags": Keyed(
            lambda: aliased(RunTag),
            on=lambda tag: tag.run_id == Run.id,
            parent=Run,
            attributes={"name": Attribute(Run.name)},
            absent_differs=frozenset({"hidden"}),
        ),
        "metrics": Keyed(
            lambda: aliased(RunMetric),
            on=lambda metric: metric.run_id == Run.id,
            parent=Run,
            kind="number",
        ),
        "siblings": Related(
            lambda matches: select(RunTag).where(RunTag.run_id == Run.id, matches).exists(),
            {"key": Attribute(RunTag.key, sets=True)},
        ),
    },
    synonyms={"tag": "tags", "attr": "attributes"},
)
TIES = [(Run.version, True), (Run.id, False)]


@pytest.fixture
async def runs(sql_context: SqlContext) -> SqlContext:
    """The runs ``a`` to ``e``, in the order of their ids and of their starts."""
    for place, (name, (metrics, tags)) in enumerate(RUNS.items()):
        run_id, at = uuid7(), datetime.fromtimestamp(place, UTC)
        common: dict[str, Any] = {"run_id": run_id, "experiment_id": DEFAULT_ID}
        run = {"id": run_id, "experiment_id": DEFAULT_ID, "name": name, "user_name": "u"}
        run |= {"status": "RUNNING", "started_at": at, "ended_at": at if name == "c" else None}
        await sql_context.session.execute(insert(Run), [run])
        points = {"step": 0, "timestamp": 0, "count": 1, "total": 0.0}
        for key, value in metrics.items():
            metric = {**common, **points, "key": key, "value": value}
            await sql_context.session.execute(insert(RunMetric), [metric])
        for key, text in tags.items():
            await sql_context.session.execute(
                insert(RunTag), [{**common, "key": key, "value": text}]
            )
    return sql_context


async def _found(context: SqlContext, text: str, order_by: Sequence[str] = ()) -> str:
    ordering = Ordering.of(parse_order(order_by), NAMES, TIES)
    statement = ordering.apply(select(Run.name).select_from(Run))
    where = condition(parse_filter(text), NAMES)
    return "".join((await context.session.scalars(statement.where(where))).all())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "abcde"),
        ("name = 'a'", "a"),
        ("attr.name != 'a'", "bcde"),
        ("name IN ('a', 'c', 'z')", "ac"),
        ("name NOT IN ('a', 'c')", "bde"),
        ("name LIKE 'A'", ""),
        ("name ILIKE 'A'", "a"),
        ("version = 1", "abcde"),
        ("version > 0.5", "abcde"),
        ("version < 1e30", "abcde"),
        ("version = 99999999999999999999", ""),
        ("start >= 2000", "cde"),
        ("start < 1500.5", "ab"),
        ("start < 99999999999999999999", "abcde"),
        ("end IS NULL", "abde"),
        ("end != 0", "c"),
        ("metrics.loss = 0.5", "a"),
        ("metrics.loss != 0.5", "bcd"),
        ("metrics.loss > 0", "ac"),
        ("metrics.loss >= 0.5", "ac"),
        ("metrics.loss < 1", "ad"),
        ("metrics.loss <= 1e999", "acd"),
        ("metrics.loss >= 1e999", "c"),
        ("metrics.loss IS NULL", "e"),
        ("metrics.loss IS NOT NULL", "abcd"),
        ("metrics.acc > 0 AND metrics.acc > 1", "e"),
        ("metrics.acc > 0 OR tags.x = 'abc'", "ade"),
        ("tag.x = 'abc'", "a"),
        ("tags.x != 'abc'", "bce"),
        ("tags.x LIKE 'a%'", "ac"),
        ("tags.x LIKE 'a_c'", "a"),
        (r"tags.x LIKE 'a\%c\\'", "c"),
        ("tags.x ILIKE 'ab%'", "ab"),
        ("tags.x IN ('abc', '')", "ae"),
        ("tags.x NOT IN ('abc', '')", "bc"),
        ("tags.x IS NULL", "d"),
        ("tags.none != 'x'", ""),
        ("tags.hidden != 'true'", "bcde"),
        ("tags.hidden = 'true'", "a"),
        ("tags.name = 'a'", "a"),
        (f"tags.long = '{LONG}1'", "a"),
        (f"tags.long != '{LONG}1'", "b"),
        (f"tags.long IN ('{LONG}2')", "b"),
        ("siblings.key = 'a b'", "c"),
        ("siblings.key IN ('a b', 'long')", "abc"),
        ("siblings.key IS NULL", "d"),
        ("siblings.key IS NOT NULL", "abce"),
    ],
)
async def test_filter_finds_the_rows_that_match(runs: SqlContext, text: str, expected: str) -> None:
    assert await _found(runs, text, ["start"]) == expected


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("unknown = 'a'", 1),
        ("unknown.a = 'a'", 1),
        ("siblings.x = 'a'", 1),
        ("name = 1", 8),
        ("name > 'a'", 8),
        ("status IN ('a')", 8),
        ("version = '1'", 11),
        ("version LIKE '1'", 14),
        ("metrics.loss = '1'", 16),
        ("metrics.loss IN ('1')", 14),
        ("tags.x = 1", 10),
        ("tags.x < 'a'", 10),
        (r"tags.x LIKE 'a\'", 13),
        (r"name LIKE 'a\\\'", 11),
    ],
)
def test_filter_that_does_not_fit_is_refused_with_its_place(text: str, place: int) -> None:
    with pytest.raises(InvalidFilter, match=f"^At character {place}: "):
        condition(parse_filter(text), NAMES)


@pytest.mark.parametrize(
    ("order_by", "expected"),
    [
        ([], "abcde"),
        (["start DESC"], "edcba"),
        (["attr.start desc"], "edcba"),
        (["end"], "cabde"),
        (["end DESC", "start DESC"], "cedba"),
        (["metrics.loss"], "dacbe"),
        (["metrics.loss DESC"], "cadbe"),
        (["metrics.acc ASC", "start DESC"], "decba"),
        (["metrics.acc DESC", "metrics.acc ASC"], "edabc"),
        (["tags.x"], "ebcad"),
        (["tags.x DESC"], "acbed"),
        (["tags.long", "start DESC"], "baedc"),
        (["tags.name DESC"], "edcba"),
    ],
)
async def test_order_puts_absent_values_last(
    runs: SqlContext, order_by: list[str], expected: str
) -> None:
    assert await _found(runs, "", order_by) == expected
    assert await _by_pages_of(runs, 1, order_by) == expected
    assert await _by_pages_of(runs, 2, order_by) == expected


async def test_order_by_a_long_text_has_short_tokens(runs: SqlContext) -> None:
    long = "z" * 100_000
    await runs.session.execute(update(Run).where(Run.name == "a").values(name=long))
    assert await _by_pages_of(runs, 1, ["name"]) == f"bcde{long}"


async def _by_pages_of(context: SqlContext, limit: int, order_by: list[str]) -> str:
    tokens, token, names = PageTokens(Signer([b"secret"]), order_by), None, ""
    while True:
        ordering = Ordering.of(parse_order(order_by), NAMES, TIES)
        columns = select(Run.name, *ordering.columns()).select_from(Run)
        statement = ordering.apply(columns).limit(limit)
        if (end := tokens.read(token)) is not None:
            statement = statement.where(ordering.after(end))
        rows = (await context.session.execute(statement)).all()
        if not rows:
            return names
        names += "".join(row.name for row in rows)
        token = tokens.write(ordering.values(rows[-1]))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name up",
        "name DESC DESC",
        "name DESC, start",
        "unknown",
        "x.y",
        "status",
        "siblings.key",
        "'name'",
        "name,",
    ],
)
def test_order_that_is_wrong_is_refused(text: str) -> None:
    with pytest.raises(InvalidOrder):
        Ordering.of(parse_order([text]), NAMES, TIES)


def test_order_by_too_many_names_is_refused() -> None:
    order_by = [f"tags.x{number}" for number in range(11)]
    with pytest.raises(InvalidOrder, match="at most"):
        Ordering.of(parse_order(order_by), NAMES, TIES)


@pytest.mark.parametrize("change", ["other", "cut", "garbage", "é", "long"])
def test_page_token_that_was_altered_is_refused(change: str) -> None:
    tokens = PageTokens(Signer([b"secret"]), "runs", "filter")
    token = tokens.write((None, 1.5, uuid7()))
    assert tokens.read(token) is not None
    altered = {"cut": token[:-4], "garbage": "eyJvZmZzZXQiOiAtMX0=", "long": token * 5000}
    if change == "other":
        tokens = PageTokens(Signer([b"secret"]), "runs", "another filter")
    with pytest.raises(BadCursor):
        tokens.read(altered.get(change, token if change == "other" else change))
