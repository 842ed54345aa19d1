"""Plans carried out on a real mongod, and what is there afterwards."""

from typing import Any

from pymongo.database import Database

from mongo_indexes.apply import apply_all
from mongo_indexes.declare import Collection, Index

Data = Database[dict[str, Any]]

PLAIN = Index("ix_a", [("a", 1)], why="w")
UNIQUE = Index("ix_a", [("a", 1)], why="w", unique=True)


def things(*indexes: Index, **options: Any) -> list[Collection]:
    return [Collection(name="things", why="for the tests", indexes=indexes, **options)]


def make(database: Data, *indexes: Index, prune: bool = False, **options: Any) -> list[str]:
    steps = apply_all(database, collections=things(*indexes, **options), prune=prune)
    return [str(step.kind) for step in steps]


def existing(database: Data) -> dict[str, dict[str, Any]]:
    found = {index["name"]: dict(index) for index in database.things.list_indexes()}
    found.pop("_id_", None)
    return found
