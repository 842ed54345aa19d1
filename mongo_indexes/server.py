"""Reading a database's collections and indexes, and planning from them."""

from collections.abc import Sequence
from typing import Any

from pymongo.database import Database
from pymongo.errors import OperationFailure

from mongo_indexes.declare import CollectionSpec
from mongo_indexes.plan import diff
from mongo_indexes.refusals import refusals
from mongo_indexes.step import Step

Document = dict[str, Any]

_NAMESPACE_NOT_FOUND = 26
_BUCKETS = "system.buckets."


def plan(
    database: Database[Document], collections: Sequence[CollectionSpec], *, prune: bool = False
) -> list[Step]:
    """Return the steps for these collections, one collection after the other.

    Raises PyMongoError.
    """
    options = _options(database, [declared.name for declared in collections])
    steps: list[Step] = []
    for declared in collections:
        found = options.get(declared.name)
        if found is None or refusals(declared, found):  # a view has no indexes that can be read
            steps += diff(declared, [], found)
            continue
        steps += diff(
            declared,
            _indexes(database, declared.name),
            found,
            prune=prune,
            documents=database[declared.name].estimated_document_count(),
        )
    return steps


def _options(database: Database[Document], names: Sequence[str]) -> dict[str, Document]:
    """Return the options of the collections that exist, with those of a time series' buckets.

    The buckets can outlast their time series. MongoDB then still sends them the writes.
    """
    owners = {_BUCKETS + name: name for name in names}
    options: dict[str, Document] = {}
    with database.list_collections(filter={"name": {"$in": [*names, *owners]}}) as collections:
        for collection in collections:
            name, found = collection["name"], collection["options"]
            if name in owners:
                name, found = owners[name], {"timeseries": found.get("timeseries")}
            options.setdefault(name, {}).update(found)
    return options


def _indexes(database: Database[Document], name: str) -> list[Document]:
    # Plain listIndexes shows unfinished builds as if they were ready.
    try:
        return list(database.cursor_command({"listIndexes": name, "includeBuildUUIDs": True}))
    except OperationFailure as error:
        if error.code == _NAMESPACE_NOT_FOUND:
            return []
        raise
