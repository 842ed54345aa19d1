"""The differences between a declaration and the server that count, and those that do not."""

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import SON, Int64

from mongo_indexes.declare import Index
from mongo_indexes.plan import diff
from mongo_indexes.step import Kind, Risk
from tests.mongo_indexes.factories import ID, SCHEMA, index, kinds, server_document, things


def test_diff_same_fields_in_another_order_are_another_index() -> None:
    steps = diff(things(index("ab", "ab")), [ID, server_document("ba", "ba")], {})
    assert kinds(steps) == [("create_index", "ab"), ("keep", "ba")]


def test_diff_other_direction_is_another_index() -> None:
    declared = things(Index("down", [("a", -1)], why="w"))
    assert kinds(diff(declared, [server_document("up")], {})) == [
        ("create_index", "down"),
        ("keep", "up"),
    ]


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
def test_diff_server_bookkeeping_is_no_difference(bookkeeping: dict[str, Any]) -> None:
    assert diff(things(index()), [server_document() | bookkeeping], {}) == []


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
def test_diff_changed_definition_under_same_name_is_replaced(
    declared: dict[str, Any], existing: dict[str, Any]
) -> None:
    [step] = diff(things(index(**declared)), [server_document(**existing)], {})
    assert (step.kind, step.risk) == (Kind.REPLACE_INDEX, Risk.DANGEROUS)
    assert "its queries have no index meanwhile" in step.reason
    assert "under a new name it would be built before" in step.reason


def test_diff_partial_filter_is_compared_by_meaning() -> None:
    moment = datetime(2026, 11, 20, 12, tzinfo=UTC)
    declared = index(partial={"b": {"$gt": 1}, "at": {"$gte": moment}})
    # Another order of fields, a float, and a time without its zone, as drivers return it.
    naive = moment.replace(tzinfo=None)
    existing = server_document(partialFilterExpression=SON(at={"$gte": naive}, b={"$gt": 1.0}))
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
def test_diff_collation_is_compared_with_its_locales_defaults(
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
    assert diff(declared, [server_document(collation=whole)], {}) == []


def test_diff_simple_collation_is_none() -> None:
    simple = {"locale": "simple"}
    declared = things(index(collation=simple))
    assert diff(declared, [server_document()], {"collation": simple}) == []


def test_diff_text_index_is_compared_in_the_servers_form() -> None:
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


def test_diff_validator_is_compared_by_meaning() -> None:
    other_order = {
        "$jsonSchema": {"properties": {"a": {"bsonType": "int"}}, "required": ["a", "b"]}
    }
    assert diff(things(validator=SCHEMA), [ID], {"validator": other_order}) == []
