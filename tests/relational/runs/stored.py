"""Rows of a run, read below the service."""

import asyncio
from typing import Any
from uuid import UUID

from sqlalchemy import text

from service.main import State

SERIES = """
    SELECT key, step, timestamp, value, count, total, least, greatest FROM run_metrics
    WHERE run_id = :run ORDER BY key
"""
POINTS = """
    SELECT m.key, p.step, p.timestamp, p.value FROM run_metrics m
    JOIN metric_points p ON p.metric_id = m.id WHERE m.run_id = :run
    ORDER BY m.key, p.step, p.timestamp, p.value
"""
PARAMS = "SELECT key, value FROM run_params WHERE run_id = :run ORDER BY key"
TAGS = "SELECT key, value FROM run_tags WHERE run_id = :run ORDER BY key"


async def stored(state: State, statement: str, run: dict[str, Any]) -> list[tuple[Any, ...]]:
    async with state["sql"].engine.connect() as connection:
        rows = await connection.execute(text(statement), {"run": UUID(run["id"])})
        return [tuple(row) for row in rows]


async def all_stored(state: State, run: dict[str, Any]) -> list[list[tuple[Any, ...]]]:
    return [await stored(state, one, run) for one in (SERIES, POINTS, PARAMS, TAGS)]


async def wait_for_a_lock(state: State) -> None:
    """Return once a transaction waits for a row that another has changed."""
    waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'")
    async with asyncio.timeout(10), state["sql"].engine.connect() as connection:
        while not await connection.scalar(waits):
            await asyncio.sleep(0.01)
