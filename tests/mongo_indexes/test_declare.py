"""Mistakes in a declaration are found when it is written."""

from typing import Any

import pytest

from mongo_indexes.collections import COLLECTIONS
from mongo_indexes.declare import Collection, DeclarationError, Index

A = Index("ix_a", [("a", 1)], why="finds by a")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"why": " "}, "why"),
        ({"name": "_id_"}, "cannot be named"),
        ({"name": ""}, "cannot be named"),
        ({"keys": []}, "keys look like"),
        ({"keys": ("a", 1)}, "keys look like"),
        ({"keys": [("a", 1), ("a", -1)]}, "occurs twice"),
        ({"keys": [("_id", 1)]}, "_id itself"),
        ({"keys": [("a", 1), ("b", 1)], "ttl_seconds": 5}, "one key"),
        ({"ttl_seconds": -1}, "ttl_seconds"),
        ({"ttl_seconds": 2**31}, "ttl_seconds"),
        ({"sparse": True, "partial": {"b": 1}}, "exclude each other"),
        ({"weights": {"a": 2}}, "text key"),
    ],
)
def test_index_that_mongodb_would_refuse_is_not_declared(
    options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(DeclarationError, match=complaint):
        Index(**({"name": "ix", "keys": [("a", 1)], "why": "w"} | options))


@pytest.mark.parametrize(
    ("indexes", "complaint"),
    [
        ((A, Index("ix_a", [("b", 1)], why="w")), "two indexes are named ix_a"),
        ((A, Index("other", (("a", 1),), why="w", sparse=True)), "same keys"),
        (
            (Index("t", [("a", "text")], why="w"), Index("u", [("b", "text")], why="w")),
            "at most one text index",
        ),
    ],
)
def test_indexes_that_exclude_each_other_are_not_declared(
    indexes: tuple[Index, ...], complaint: str
) -> None:
    with pytest.raises(DeclarationError, match=complaint):
        Collection(name="things", why="w", indexes=indexes)


@pytest.mark.parametrize(
    "options", [{"why": ""}, {"name": "system.x"}, {"name": "a$b"}, {"validator": {"a": 1}}]
)
def test_collection_that_mongodb_would_refuse_is_not_declared(options: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError):
        Collection(**({"name": "things", "why": "w"} | options))


def test_same_fields_in_another_order_are_two_indexes() -> None:
    there = Index("ab", [("a", 1), ("b", 1)], why="w")
    back = Index("ba", [("b", 1), ("a", 1)], why="w")
    assert Collection(name="things", why="w", indexes=(there, back)).indexes == (there, back)


def test_model_is_what_pymongo_takes() -> None:
    index = Index("ttl", [("at", 1)], why="w", ttl_seconds=60, partial={"b": True})
    assert index.model().document == {
        "key": {"at": 1},
        "name": "ttl",
        "expireAfterSeconds": 60,
        "partialFilterExpression": {"b": True},
    }


def test_no_collection_is_declared_twice() -> None:
    names = [declared.name for declared in COLLECTIONS]
    assert len(set(names)) == len(names)
