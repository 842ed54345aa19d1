"""Applying declarations to a real mongod, and reading its indexes."""

from typing import Any

from pymongo.database import Database

from mongo_indexes.apply import apply_all
from mongo_indexes.declare import CollectionSpec, Index

Data = Database[dict[str, Any]]

PLAIN = Index("ix_a", [("a", 1)], why="w")
UNIQUE = Index("ix_a", [("a", 1)], why="w", unique=True)


def things(*indexes: Index, **options: Any) -> list[CollectionSpec]:
    return [CollectionSpec(name="things", why="for the tests", indexes=indexes, **options)]


def apply(database: Data, *indexes: Index, prune: bool = False, **options: Any) -> list[str]:
    steps = apply_all(database, collections=things(*indexes, **options), prune=prune)
    return [str(step.kind) for step in steps]


def server_indexes(database: Data) -> dict[str, dict[str, Any]]:
    indexes = {index["name"]: dict(index) for index in database.things.list_indexes()}
    indexes.pop("_id_", None)
    return indexes
