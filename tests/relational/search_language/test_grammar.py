import time
from contextlib import suppress
from itertools import cycle, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.relational.search_language.errors import InvalidFilter
from service.relational.search_language.grammar import DEEPEST, MOST_CLAUSES, parse_filter
from service.relational.search_language.tree import EVERYTHING, Clause, Either, Every, clauses
from service.relational.search_language.words import MOST_CHARS


def _one(text: str) -> Clause:
    tree = parse_filter(text)
    assert isinstance(tree, Clause)
    return tree


@pytest.mark.parametrize("text", [None, ""])
def test_filter_that_is_empty_matches_everything(text: str | None) -> None:
    assert parse_filter(text) == EVERYTHING


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("status = 'a'", (None, "status")),
        ("`run name` = 'a'", (None, "run name")),
        ("\"run name\" = 'a'", (None, "run name")),
        ("params.a.b.c = 'a'", ("params", "a.b.c")),
        ("params.é_1 = 'a'", ("params", "é_1")),
        ("params.1a = 'a'", ("params", "1a")),
        ("params.and = 'a'", ("params", "and")),
        ("params.`a-b` = 'a'", ("params", "a-b")),
        ("params.\"a/b\" = 'a'", ("params", "a/b")),
        ("`params`.a = 'a'", ("params", "a")),
        ("`params`.`a:b c` = 'a'", ("params", "a:b c")),
        ("`params`.\"a'b\" = 'a'", ("params", "a'b")),
    ],
)
def test_name_in_any_form_has_its_entity_and_key(text: str, name: tuple[str | None, str]) -> None:
    clause = _one(text)
    assert (clause.name.entity, clause.name.key) == name


@pytest.mark.parametrize(
    ("text", "operator", "value"),
    [
        ("a = 'x'", "=", "x"),
        ('a != "x"', "!=", "x"),
        ("a=''", "=", ""),
        ("a like '%x_'", "LIKE", "%x_"),
        ("a iLike 'x'", "ILIKE", "x"),
        ("a IN ('x')", "IN", ("x",)),
        ("a not in ('x',\"y\")", "NOT IN", ("x", "y")),
        ("a IS NULL", "IS NULL", None),
        ("a is Not null", "IS NOT NULL", None),
        ("a > 1", ">", 1),
        ("a >= -1.5", ">=", -1.5),
        ("a < .5", "<", 0.5),
        ("a <= 1e-3", "<=", 0.001),
        ("a <= 1.5E+3", "<=", 1500.0),
        ("a = 'it''s'", "=", "it''s"),
        ('a = "it\'s; AND"', "=", "it's; AND"),
        ("a = '\\'", "=", "\\"),
        ("a = 123456789012345678", "=", 123456789012345678),
        ("a = " + "9" * 5000, "=", float("inf")),
    ],
)
def test_clause_with_each_operator_has_its_value(text: str, operator: str, value: object) -> None:
    clause = _one(text)
    assert (clause.operator, clause.value, type(clause.value)) == (operator, value, type(value))


@pytest.mark.parametrize("text", ["AND a=1 AND b=2", "a=1 and b=2 AND", "a=1 AND AND b=2"])
def test_filter_with_stray_ands_is_read_without_them(text: str) -> None:
    tree = parse_filter(text)
    assert isinstance(tree, Every)
    assert [clause.name.key for clause in clauses(tree)] == ["a", "b"]


def test_and_binds_stronger_than_or() -> None:
    tree = parse_filter("a=1 OR b=2 AND (c=3 or d=4)")
    assert isinstance(tree, Either)
    first, second = tree.parts
    assert isinstance(first, Clause)
    assert isinstance(second, Every)
    assert isinstance(second.parts[1], Either)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (" ", 1),
        ("\t\n", 1),
        ("AND", 4),
        ("NOT a = 1", 5),
        ("a BETWEEN 1", 3),
        ("a == 1", 4),
        ("a <> 1", 4),
        ("'a' = params.x", 1),
        ("1 = a", 1),
        ("a = 1 -- b", 7),
        ("a = 'x'; b = 1", 8),
        ("a = x", 5),
        ("a = `x`", 5),
        ("a = +1", 5),
        ("a = NaN", 5),
        ("a = 'x", 5),
        ("a = 1 b = 2", 7),
        ("a-b = 1", 2),
        ("a b = 1", 3),
        ("params .a = 1", 8),
        ("params. = 1", 1),
        (".a = 1", 1),
        ("a = 1 OR", 9),
        ("OR a = 1", 4),
        ("(a = 1", 7),
        ("a = 1)", 6),
        ("()", 2),
        ("a IN 'x'", 6),
        ("a IN ()", 7),
        ("a IN (1)", 7),
        ("a IN ('x' 'y')", 11),
        ("a IS 1", 3),
        ("a", 2),
    ],
)
def test_filter_that_is_wrong_is_refused_with_its_place(text: str, place: int) -> None:
    with pytest.raises(InvalidFilter, match=f"^At character {place}: "):
        parse_filter(text)


@pytest.mark.parametrize(
    ("most", "more"),
    [
        ("a='" + "x" * (MOST_CHARS - 4) + "'", "a='" + "x" * (MOST_CHARS - 3) + "'"),
        (" AND ".join(["a=1"] * MOST_CLAUSES), " AND ".join(["a=1"] * (MOST_CLAUSES + 1))),
        ("(" * DEEPEST + "a=1" + ")" * DEEPEST, "(" * (DEEPEST + 1) + "a=1" + ")" * (DEEPEST + 1)),
    ],
)
def test_filter_beyond_a_bound_is_refused(most: str, more: str) -> None:
    parse_filter(most)
    with pytest.raises(InvalidFilter, match="at most"):
        parse_filter(more)


@pytest.mark.parametrize("text", ["a = '\x00'", "a = '\ud800'"])
def test_filter_with_what_cannot_be_stored_is_refused(text: str) -> None:
    with pytest.raises(InvalidFilter, match="Remove"):
        parse_filter(text)


_WORDS = st.sampled_from(
    ["a", "metrics.", "`b c`", '"d"', "'e'", "1", "-.5", "AND", "or", "NOT", "IN", "IS", "NULL",
     "(", ")", ",", "=", "!=", "<", "like", ".", "`", "'", '"', "-", ";", "\x00", " "]
)  # fmt: skip


@given(st.one_of(st.text(), st.lists(_WORDS).map(" ".join), st.lists(_WORDS).map("".join)))
def test_filter_of_any_text_gives_a_tree_or_is_refused(text: str) -> None:
    try:
        tree = parse_filter(text)
    except InvalidFilter:
        return
    assert all(clause.name.key for clause in clauses(tree))


@pytest.mark.parametrize(
    "part",
    ["1", "1.", "1e", "-", "a.", "`", "'", "''", "a=1 ", "AND ", "(", "1x", " ", "a IN ('", "é"],
)
def test_filter_of_any_kind_is_read_in_linear_time(part: str) -> None:
    def seconds(length: int) -> float:
        text, fastest = "".join(islice(cycle(part), length)), float("inf")
        for _ in range(5):
            began = time.thread_time()
            with suppress(InvalidFilter):
                parse_filter(text)
            fastest = min(fastest, time.thread_time() - began)
        return fastest

    # Quadratic time would be 100 times as much.
    assert seconds(MOST_CHARS) < 40 * max(seconds(MOST_CHARS // 10), 50e-6)
