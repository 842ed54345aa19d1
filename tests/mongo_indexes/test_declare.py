"""A mistake in a declaration raises when the declaration is imported."""

from typing import Any

import pytest

from mongo_indexes.collections import COLLECTIONS
from mongo_indexes.declare import CollectionSpec, DeclarationError, Index

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
def test_index_that_mongodb_would_refuse_raises(options: dict[str, Any], complaint: str) -> None:
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
def test_collection_with_conflicting_indexes_raises(
    indexes: tuple[Index, ...], complaint: str
) -> None:
    with pytest.raises(DeclarationError, match=complaint):
        CollectionSpec(name="things", why="w", indexes=indexes)


@pytest.mark.parametrize(
    "options", [{"why": ""}, {"name": "system.x"}, {"name": "a$b"}, {"validator": {"a": 1}}]
)
def test_collection_that_mongodb_would_refuse_raises(options: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError):
        CollectionSpec(**({"name": "things", "why": "w"} | options))


def test_collection_same_fields_in_another_order_are_two_indexes() -> None:
    ab = Index("ab", [("a", 1), ("b", 1)], why="w")
    ba = Index("ba", [("b", 1), ("a", 1)], why="w")
    assert CollectionSpec(name="things", why="w", indexes=(ab, ba)).indexes == (ab, ba)


def test_index_model_has_the_servers_option_names() -> None:
    index = Index("ttl", [("at", 1)], why="w", ttl_seconds=60, partial={"b": True})
    assert index.model().document == {
        "key": {"at": 1},
        "name": "ttl",
        "expireAfterSeconds": 60,
        "partialFilterExpression": {"b": True},
    }


def test_collections_have_different_names() -> None:
    names = [declared.name for declared in COLLECTIONS]
    assert len(set(names)) == len(names)
