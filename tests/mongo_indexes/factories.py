"""Declarations and server documents for the rules that need no server."""

from typing import Any

from bson import SON

from mongo_indexes.declare import CollectionSpec, Index
from mongo_indexes.step import Step

ID = {"v": 2, "key": {"_id": 1}, "name": "_id_"}
SCHEMA = {"$jsonSchema": {"required": ["a", "b"], "properties": {"a": {"bsonType": "int"}}}}


def things(*indexes: Index, validator: dict[str, Any] | None = None) -> CollectionSpec:
    return CollectionSpec(name="things", why="for the tests", indexes=indexes, validator=validator)


def index(name: str = "ix", keys: str = "a", **options: Any) -> Index:
    return Index(name, [(key, 1) for key in keys], why="for the tests", **options)


def server_document(name: str = "ix", keys: str = "a", **options: Any) -> dict[str, Any]:
    return {"v": 2, "key": SON((key, 1) for key in keys), "name": name, **options}


def kinds(steps: list[Step]) -> list[tuple[str, str]]:
    return [(step.kind.value, step.name) for step in steps]
