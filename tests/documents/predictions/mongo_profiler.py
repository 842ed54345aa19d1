"""Record queries and their plans with MongoDB's profiler."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from service.documents.retention.rule_cache import REFRESH_COMMENT
from service.main import State

Profile = list[dict[str, Any]]


@contextlib.asynccontextmanager
async def profiling(state: State) -> AsyncIterator[Profile]:
    """Yield a list that contains, after the block, its finds and aggregates in their order.

    Cached plans are cleared first, because they were chosen for the data of an earlier test.
    """
    database = state["mongo"].database
    profile: Profile = []
    for name in await database.list_collection_names(
        filter={"name": {"$not": {"$regex": r"^system\."}}}
    ):
        await database.command("planCacheClear", name)
    await database.command("profile", 2)
    try:
        yield profile
        await database.command("profile", 0)
        reads = {
            "op": {"$in": ["query", "command"]},
            "planSummary": {"$exists": True},
            "command.comment": {"$ne": REFRESH_COMMENT},  # a background task of the service
        }
        profile += await database["system.profile"].find(reads).sort("ts").to_list(None)
    finally:
        await database.command("profile", 0)
        await database["system.profile"].drop()


def scans(profile: Profile) -> list[Any]:
    """Return the commands that scanned a whole collection."""
    return [item["command"] for item in profile if "COLLSCAN" in item["planSummary"]]
