"""Models and versions that the log has seen, with the first and last event of each.

Indexes alone are read. Names come from a distinct scan, which reads one key for each name; counts
stop at a bound, because a count reads a key for each event.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from service.documents.predictions.documents import PREDICTIONS
from service.stores.mongo.client import Database, Document, MongoCollection

VERSION_INDEX = "ix_predictions_model"
MAX_VERSIONS = 100  # of a model


@dataclass(frozen=True, slots=True)
class VersionSeen:
    """A version as events name it; without ``count_is_exact`` there are more events."""

    version: str
    first_seen: datetime
    last_seen: datetime
    count: int
    count_is_exact: bool


class ModelSeen(NamedTuple):
    """A model and its versions."""

    name: str
    versions: Sequence[VersionSeen]


async def logged_after(
    database: Database, name: str, limit: int, *, shows: Callable[[str], bool], most: int
) -> Sequence[ModelSeen]:
    """Return the models with a greater name for which ``shows`` holds, in bytewise order.

    ``most`` bounds the count of each version.
    """
    pipeline: list[Document] = [{"$match": {"model": {"$gt": name}}}, {"$group": {"_id": "$model"}}]
    names = sorted([row["_id"] async for row in _log(database).aggregate(pipeline)])
    shown = [found for found in names if shows(found)][:limit]
    return [await logged_as(database, found, most=most) for found in shown]


async def logged_as(database: Database, name: str, *, most: int) -> ModelSeen:
    """Return one model with its versions; with none if the log has no such model."""
    pipeline: list[Document] = [
        {"$match": {"model": {"$eq": name}}},
        {"$group": {"_id": "$version"}},
    ]
    versions = sorted([row["_id"] async for row in _log(database).aggregate(pipeline)])
    found = [await _version(database, name, one, most) for one in versions[:MAX_VERSIONS]]
    return ModelSeen(name, [one for one in found if one is not None])


async def _version(database: Database, model: str, version: str, most: int) -> VersionSeen | None:
    where: Document = {"model": {"$eq": model}, "version": {"$eq": version}}
    first, last = [
        await _log(database).find_one(
            where, {"_id": 0, "timestamp": 1}, sort=[("timestamp", order)], hint=VERSION_INDEX
        )
        for order in (1, -1)
    ]
    if first is None or last is None:  # they expired meanwhile
        return None
    count = await _log(database).count_documents(where, limit=most + 1, hint=VERSION_INDEX)
    return VersionSeen(
        version, first["timestamp"], last["timestamp"], min(count, most), count <= most
    )


def _log(database: Database) -> MongoCollection:
    return database[PREDICTIONS]
