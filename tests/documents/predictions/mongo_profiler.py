"""What MongoDB's profiler saw: the queries as they really were, and how they were answered."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from service.documents.retention.rule_cache import REFRESH_COMMENT
from service.main import State

Profile = list[dict[str, Any]]


@contextlib.asynccontextmanager
async def profiling(state: State) -> AsyncIterator[Profile]:
    """Is filled, at the end, with the finds and aggregates in between, in their order.

    Plans are chosen for what the collections hold now: MongoDB would remember those that suited
    an earlier test.
    """
    database = state["mongo"].database
    found: Profile = []
    for name in await database.list_collection_names(
        filter={"name": {"$not": {"$regex": r"^system\."}}}
    ):
        await database.command("planCacheClear", name)
    await database.command("profile", 2)
    try:
        yield found
        await database.command("profile", 0)
        reads = {
            "op": {"$in": ["query", "command"]},
            "planSummary": {"$exists": True},
            "command.comment": {"$ne": REFRESH_COMMENT},  # that goes on beside every test
        }
        found += await database["system.profile"].find(reads).sort("ts").to_list(None)
    finally:
        await database.command("profile", 0)
        await database["system.profile"].drop()


def scans(profile: Profile) -> list[Any]:
    """The commands that looked through a whole collection."""
    return [each["command"] for each in profile if "COLLSCAN" in each["planSummary"]]
