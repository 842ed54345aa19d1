"""What counts as a difference between a declaration and the server, and what does not."""

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import SON, Int64

from mongo_indexes.declare import Index
from mongo_indexes.plan import diff
from mongo_indexes.step import Kind, Risk
from tests.mongo_indexes.factories import ID, SCHEMA, index, kinds, stored, things


def test_same_fields_in_another_order_are_another_index() -> None:
    steps = diff(things(index("ab", "ab")), [ID, stored("ba", "ba")], {})
    assert kinds(steps) == [("create_index", "ab"), ("keep", "ba")]


def test_another_direction_is_another_index() -> None:
    declared = things(Index("down", [("a", -1)], why="w"))
    assert kinds(diff(declared, [stored("up")], {})) == [("create_index", "down"), ("keep", "up")]


@pytest.mark.parametrize(
    "bookkeeping",
    [
        {"v": 1},
        {"background": True},
        {"ns": "db.things"},
        {"sparse": False, "unique": False, "hidden": False},
        {"key": {"a": 1.0}},
        {"key": {"a": Int64(1)}},
    ],
)
def test_what_the_server_adds_for_itself_is_no_difference(bookkeeping: dict[str, Any]) -> None:
    assert diff(things(index()), [stored() | bookkeeping], {}) == []


@pytest.mark.parametrize(
    ("declared", "existing"),
    [
        ({"unique": False}, {"unique": True}),
        ({"sparse": True}, {}),
        ({}, {"sparse": True}),
        ({"partial": {"b": True}}, {}),
        ({"partial": {"b": True}}, {"partialFilterExpression": {"b": 1}}),
        ({"partial": {"b": {"$gt": 1}}}, {"partialFilterExpression": {"b": {"$gte": 1}}}),
        ({}, {"partialFilterExpression": {"b": True}}),
        ({"collation": {"locale": "en"}}, {}),
        ({"collation": {"locale": "en"}}, {"collation": {"locale": "en", "strength": 2}}),
        ({}, {"expireAfterSeconds": 60}),
        ({}, {"wildcardProjection": {"x": 0}}),
        ({"unique": True, "sparse": True}, {}),
    ],
)
def test_changed_definition_under_the_same_name_is_replaced_and_says_so(
    declared: dict[str, Any], existing: dict[str, Any]
) -> None:
    [step] = diff(things(index(**declared)), [stored(**existing)], {})
    assert (step.kind, step.risk) == (Kind.REPLACE_INDEX, Risk.DANGEROUS)
    assert "nothing serves its queries meanwhile" in step.reason
    assert "a new name would be built before" in step.reason


def test_partial_filter_is_compared_by_what_it_means() -> None:
    moment = datetime(2026, 11, 20, 12, tzinfo=UTC)
    declared = index(partial={"b": {"$gt": 1}, "at": {"$gte": moment}})
    # Another order of fields, a float, and a time without its zone, as drivers return it.
    naive = moment.replace(tzinfo=None)
    existing = stored(partialFilterExpression=SON(at={"$gte": naive}, b={"$gt": 1.0}))
    assert diff(things(declared), [existing], {}) == []


@pytest.mark.parametrize(
    ("locale", "filled_in"),
    [
        ("en", {}),
        ("da", {"caseFirst": "upper"}),
        ("fr_CA", {"backwards": True}),
        ("th", {"alternate": "shifted", "normalization": True}),
        ("vi", {"normalization": True}),
    ],
)
def test_collation_is_compared_with_the_defaults_of_its_locale(
    locale: str, filled_in: dict[str, Any]
) -> None:
    whole = {
        "locale": locale,
        "caseLevel": False,
        "caseFirst": "off",
        "strength": 3,
        "numericOrdering": False,
        "alternate": "non-ignorable",
        "maxVariable": "punct",
        "normalization": False,
        "backwards": False,
        "version": "57.1",
    } | filled_in
    declared = things(index(collation={"locale": locale}))
    assert diff(declared, [stored(collation=whole)], {}) == []


def test_index_inherits_the_collation_of_its_collection() -> None:
    french = {"locale": "fr"}
    declared = things(index())
    assert diff(declared, [stored(collation=french)], {"collation": french}) == []
    steps = diff(declared, [stored()], {"collation": french})
    assert kinds(steps) == [("replace_index", "ix")]


def test_simple_collation_is_none_even_where_the_collection_has_one() -> None:
    declared = things(index(collation={"locale": "simple"}))
    assert diff(declared, [stored()], {"collation": {"locale": "fr"}}) == []


def test_text_index_is_compared_in_the_form_the_server_keeps() -> None:
    keys: list[tuple[str, int | str]] = [("k", 1), ("t", "text"), ("u", "text"), ("z", 1)]
    existing = {
        "key": SON([("k", 1), ("_fts", "text"), ("_ftsx", 1), ("z", 1)]),
        "name": "words",
        "weights": {"t": 3, "u": 1},
        "default_language": "english",
        "language_override": "language",
        "textIndexVersion": 3,
    }
    declared = things(Index("words", keys, why="w", weights={"t": 3}))
    assert diff(declared, [existing], {}) == []
    heavier = things(Index("words", keys, why="w", weights={"t": 4}))
    assert kinds(diff(heavier, [existing], {})) == [("replace_index", "words")]


def test_validator_is_compared_by_what_it_means() -> None:
    other_order = {
        "$jsonSchema": {"properties": {"a": {"bsonType": "int"}}, "required": ["a", "b"]}
    }
    assert diff(things(validator=SCHEMA), [ID], {"validator": other_order}) == []
