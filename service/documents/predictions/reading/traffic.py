"""Models and versions that the log has seen, with the first and last event of each.

Indexes alone are read. Names come from a distinct scan, which reads one key for each name; counts
stop at a bound, because a count reads a key for each event. A call reads a few versions, so that
none grows with their number.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from service.documents.predictions.documents import PREDICTIONS
from service.stores.mongo.client import Document, MongoCollection, MongoStore

MAX_VERSIONS = 100  # of a model, besides those that are asked for
CALL_VERSIONS = 10  # a call
MAX_NAMES = 10_000  # of the versions of a model, which are read to be counted


@dataclass(frozen=True, slots=True)
class VersionSeen:
    """A version as events name it; without ``count_is_exact`` there are more events."""

    version: str
    first_seen: datetime
    last_seen: datetime
    count: int
    count_is_exact: bool


class Period(NamedTuple):
    """The earliest and latest `timestamp` of events."""

    first: datetime
    last: datetime


class ModelSeen(NamedTuple):
    """A model, some of its versions, and how many others there are."""

    period: Period | None  # None: the log has no such model
    versions: Sequence[VersionSeen] = ()
    versions_left_off: int = 0


class LoggedModels:
    """The models of the log; each method makes short calls of its own."""

    def __init__(self, store: MongoStore) -> None:
        self._store = store
        self._log: MongoCollection = store.database[PREDICTIONS]

    async def names_after(
        self, name: str, limit: int, shows: Callable[[str], bool]
    ) -> Sequence[str]:
        """Return the greater names for which ``shows`` holds, in bytewise order."""
        pipeline: list[Document] = [
            {"$match": {"model": {"$gt": name}}},
            {"$group": {"_id": "$model"}},
        ]
        rows = await self._rows(pipeline)
        return [found for found in sorted(row["_id"] for row in rows) if shows(found)][:limit]

    async def read(self, name: str, asked: Sequence[str], *, most: int) -> ModelSeen:
        """Return a model with the versions ``asked`` for, and then up to MAX_VERSIONS others.

        ``most`` bounds the count of each version. Beyond MAX_NAMES others are not counted.
        """
        where: Document = {"model": {"$eq": name}}
        rows = await self._rows(
            [{"$match": where}, {"$group": {"_id": "$version"}}, {"$limit": MAX_NAMES}],
            _edge(where, ("model", "timestamp"), 1),
            _edge(where, ("model", "timestamp"), -1),
        )
        moments = [row["timestamp"] for row in rows if "timestamp" in row]
        if not moments:
            return ModelSeen(None)
        names = {row["_id"] for row in rows if "_id" in row}
        known = [one for one in asked if one in names or len(names) == MAX_NAMES]
        others = sorted(names.difference(asked))
        wanted = [*known, *others[:MAX_VERSIONS]]
        found = list[VersionSeen]()
        for begin in range(0, len(wanted), CALL_VERSIONS):
            found += await self._versions(name, wanted[begin : begin + CALL_VERSIONS], most)
        period = Period(min(moments), max(moments))
        return ModelSeen(period, found, len(others[MAX_VERSIONS:]))

    async def _versions(
        self, model: str, versions: Sequence[str], most: int
    ) -> Sequence[VersionSeen]:
        pipelines = list[list[Document]]()
        for version in versions:
            where = {"model": {"$eq": model}, "version": {"$eq": version}}
            keys = ("model", "version", "timestamp")
            earliest: list[Document] = [*_first(where, keys, 1, most + 1), _EARLIEST]
            pipelines += earliest, [*_first(where, keys, -1, 1), _LATEST]
        found: dict[str, Document] = {}
        for row in await self._rows(*pipelines):
            found.setdefault(row["_id"], {}).update(row)
        return [
            VersionSeen(
                version, row["first"], row["last"], min(row["count"], most), row["count"] <= most
            )
            for version, row in found.items()
            if "first" in row and "last" in row  # else its events expired meanwhile
        ]

    async def _rows(self, pipeline: list[Document], *others: list[Document]) -> list[Document]:
        """Return the rows of all pipelines, by one call."""
        joined = [{"$unionWith": {"coll": PREDICTIONS, "pipeline": other}} for other in others]
        return await self._store.call(
            lambda: self._log.aggregate([*pipeline, *joined]).to_list(None), writes=False
        )


_EARLIEST: Document = {
    "$group": {"_id": "$version", "first": {"$first": "$timestamp"}, "count": {"$sum": 1}}
}
_LATEST: Document = {"$group": {"_id": "$version", "last": {"$first": "$timestamp"}}}


def _edge(where: Document, keys: Sequence[str], order: int) -> list[Document]:
    """Return the pipeline that finds the timestamp of the first or last event."""
    return [*_first(where, keys, order, 1), {"$project": {"_id": 0, "timestamp": 1}}]


def _first(where: Document, keys: Sequence[str], order: int, limit: int) -> list[Document]:
    """Return the pipeline of the first events; only the index of ``keys`` sorts by all of them."""
    return [{"$match": where}, {"$sort": dict.fromkeys(keys, order)}, {"$limit": limit}]
