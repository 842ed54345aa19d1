"""Statements of the service and their plans in PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection

from service.main import State

PreparedQuery = tuple[str, Any]
# New entries of a GIN index stay in a pending list, which is scanned until it is cleaned.
_CLEAN_GIN = """
SELECT gin_clean_pending_list(pg_class.oid)
FROM pg_class JOIN pg_am ON pg_am.oid = relam WHERE amname = 'gin' AND relkind = 'i'
"""


_FOREIGN_KEYS = """
SELECT string_agg(format('ALTER TABLE %s DROP CONSTRAINT %I;', conrelid::regclass, conname), ''),
    string_agg(format('ALTER TABLE %s ADD CONSTRAINT %I %s;', conrelid::regclass, conname,
        pg_get_constraintdef(oid)), '' ORDER BY oid)
FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace
"""


def _all_at_once(statements: str) -> str:
    return f"DO $$ BEGIN {statements} END $$"


@contextmanager
def recorded_statements(state: State) -> Iterator[list[PreparedQuery]]:
    """Record each statement and its parameters."""
    statements: list[PreparedQuery] = []
    driven: list[asyncpg.Connection] = []

    def listen(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    def listen_below(record: asyncpg.connection.LoggedQuery) -> None:
        if record.query.startswith(("SELECT", "EXPLAIN")):  # statements that bypass SQLAlchemy
            statements.append((record.query, record.args))

    def listen_to(connection: Any, *_: Any) -> None:
        connection.driver_connection.add_query_logger(listen_below)
        driven.append(connection.driver_connection)

    engine = state["sql"].engine.sync_engine
    event.listen(engine, "before_cursor_execute", listen)
    event.listen(engine, "checkout", listen_to)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", listen)
        event.remove(engine, "checkout", listen_to)
        for connection in driven:
            connection.remove_query_logger(listen_below)


async def used_indexes(connection: AsyncConnection, statement: PreparedQuery) -> set[str]:
    """Return the indexes that the plan searches with a condition.

    A sequential scan is included as ``scan of users``.
    """
    sql, parameters = statement
    explained = await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {sql}", parameters)
    todo = [explained.scalar_one()[0]["Plan"]]
    used = set()
    while todo:
        node = todo.pop()
        todo.extend(node.get("Plans", ()))
        if "Index Cond" in node:
            used.add(node["Index Name"])
        elif node["Node Type"] == "Seq Scan":
            used.add(f"scan of {node['Relation Name']}")
    return used


async def fill(connection: AsyncConnection, *statements: str) -> None:
    """Execute statements that insert many rows, then update the planner's statistics.

    The foreign keys are checked once at the end: row by row takes ten times as long.
    """
    await connection.execute(text("SET LOCAL statement_timeout = 0"))
    drop, add = (await connection.execute(text(_FOREIGN_KEYS))).one()
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    for statement in (
        _all_at_once(drop),
        *statements,
        _all_at_once(add),
        _CLEAN_GIN,
        "ANALYZE",
    ):
        await driver.execute(statement, timeout=300)  # the engine's limit is one of requests
