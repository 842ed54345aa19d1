"""Reading a database's collections and indexes, and planning from them."""

from collections.abc import Sequence
from typing import Any

from pymongo.database import Database
from pymongo.errors import OperationFailure

from mongo_indexes.declare import CollectionSpec
from mongo_indexes.plan import diff
from mongo_indexes.step import Step

Document = dict[str, Any]

_NAMESPACE_NOT_FOUND = 26


def plan(
    database: Database[Document], collections: Sequence[CollectionSpec], *, prune: bool = False
) -> list[Step]:
    """Return the steps for these collections, one collection after the other.

    Raises PyMongoError.
    """
    steps: list[Step] = []
    for declared in collections:
        steps += diff(
            declared,
            _indexes(database, declared.name),
            _options(database, declared.name),
            prune=prune,
            documents=database[declared.name].estimated_document_count(),
        )
    return steps


def _options(database: Database[Document], name: str) -> Document | None:
    with database.list_collections(filter={"name": name}) as collections:
        return next((dict(collection["options"]) for collection in collections), None)


def _indexes(database: Database[Document], name: str) -> list[Document]:
    # Plain listIndexes shows unfinished builds as if they were ready.
    try:
        return list(database.cursor_command({"listIndexes": name, "includeBuildUUIDs": True}))
    except OperationFailure as error:
        if error.code == _NAMESPACE_NOT_FOUND:
            return []
        raise
