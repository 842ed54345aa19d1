"""What the service says to PostgreSQL, and how PostgreSQL would go about it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection

from service.main import State

PreparedQuery = tuple[str, Any]
# New entries of a GIN index wait in a list that is read from end to end until it is cleaned.
_CLEAN_GIN = """
SELECT gin_clean_pending_list(pg_class.oid)
FROM pg_class JOIN pg_am ON pg_am.oid = relam WHERE amname = 'gin' AND relkind = 'i'
"""


@contextmanager
def recorded_statements(state: State) -> Iterator[list[PreparedQuery]]:
    """Fills the list with each statement and its parameters."""
    statements: list[PreparedQuery] = []
    driven: list[asyncpg.Connection] = []

    def listen(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    def listen_below(record: asyncpg.connection.LoggedQuery) -> None:
        if record.query.startswith(("SELECT", "EXPLAIN")):  # what goes past SQLAlchemy
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
    """The indexes in which PostgreSQL would look something up, not only walk from end to end.

    A table it would scan stands there too, as ``scan of users``.
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
    """Runs what makes many rows, then does what autovacuum would do for the planner."""
    await connection.execute(text("SET LOCAL statement_timeout = 0"))
    for statement in statements:
        await connection.execute(text(statement))
    await connection.execute(text(_CLEAN_GIN))
    await connection.execute(text("ANALYZE"))
