"""Prepared reads for the hot requests: one user, the page of users and the page of posts.

SQLAlchemy builds the statement once, the driver runs it, and PostgreSQL writes the rows as JSON.
Building, cache keys, typed results and Pydantic were three quarters of a small read (measured).
"""

from collections.abc import Mapping, Sequence
from typing import Any
from typing import cast as cast_type

import asyncpg
from sqlalchemy import (
    ColumnElement,
    Numeric,
    Select,
    SQLColumnExpression,
    Text,
    cast,
    func,
    literal_column,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.util.concurrency import greenlet_spawn

from service.stores.sql.session import start_deadline

# A field of a response is a column, or fields nested under its name.
Projection = Mapping[str, "SQLColumnExpression[Any] | Projection"]
DIALECT: Any = dialect()  # type: ignore[no-untyped-call] # SQLAlchemy's


def _quoted(text: str) -> ColumnElement[str]:
    """Return a constant of this module as SQL."""
    return literal_column(f"'{text}'", Text())


_TIME = _quoted('YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')


class PreparedQuery:
    """A statement that is compiled once; its values are parameters: ``bindparam("user_id")``.

    Args:
        clause: a SELECT.
        prefix: text before it, such as EXPLAIN.

    Raises:
        TypeError: a result needs a conversion by SQLAlchemy, or the clause has ``IN (…)``.
    """

    def __init__(self, clause: Select[*tuple[Any, ...]], prefix: str = "") -> None:
        compiled = clause.compile(dialect=DIALECT)
        self.text = f"{prefix}{compiled}"
        self._defaults = {name: compiled.params[name] for name in compiled.positiontup or ()}
        types = [column.type.result_processor(DIALECT, None) for column in clause.exported_columns]
        if any(types) or compiled.post_compile_params:
            raise TypeError("use columns that need no conversion, and == any_() instead of in_()")

    @property
    def names(self) -> frozenset[str]:
        """The names of the parameters."""
        return frozenset(self._defaults)

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """Return the values in the driver's order; values not named are the clause's own.

        Raises:
            TypeError: a name belongs to no parameter, so its value would be lost.
        """
        if not values.keys() <= self._defaults.keys():
            raise TypeError(f"unknown parameters: {sorted(values.keys() - self._defaults.keys())}")
        return [values.get(name, default) for name, default in self._defaults.items()]


async def fetch(
    session: AsyncSession, query: PreparedQuery, values: Mapping[str, Any]
) -> Sequence[Any]:
    """Return the rows, as tuples of what the driver makes of PostgreSQL's types.

    The query goes to the driver itself: on the session's connection if it has one; else on one that
    the pool lends for this query, because a session's own costs more CPU than a small read
    (measured: 580 µs in all instead of 290). It starts no transaction, so that only sessions for
    reads may use it.
    """
    arguments = query.arguments(values)
    if session.in_transaction() or not isinstance(session.bind, AsyncEngine):
        connection = (await session.connection()).sync_connection
        assert connection is not None  # noqa: S101 - it is, once awaited
        connection.engine.logger.info(query.text)
        return await _run(connection.connection, query.text, arguments)
    start_deadline(session)
    session.bind.sync_engine.logger.info(query.text)  # SQLAlchemy's echo does not see the driver
    lent = await session.bind.raw_connection()
    try:
        return await _run(lent, query.text, arguments)
    except BaseException as error:
        # As SQLAlchemy does: a cancelled statement may still run on the connection.
        if not isinstance(error, Exception):
            lent.invalidate()
        raise
    finally:
        await greenlet_spawn(lent.close)


async def _run(connection: PoolProxiedConnection, text: str, arguments: list[Any]) -> Sequence[Any]:
    driver = cast_type("asyncpg.Connection", connection.driver_connection)
    rows: Sequence[Any] = await driver.fetch(text, *arguments)
    return rows


def json_row(shown: Projection) -> ColumnElement[str]:
    """Return a row as its JSON: times in UTC with milliseconds, exact numbers as text."""
    return cast(json_object(shown), Text)


def json_object(shown: Projection) -> ColumnElement[Any]:
    """Return a row as a JSON object, to be nested in another row."""
    arguments: list[Any] = []
    for name, field in shown.items():
        value = json_object(field) if isinstance(field, Mapping) else _value(field)
        arguments += [_quoted(name), value]
    return func.json_build_object(*arguments)


def _value(column: Any) -> Any:
    if isinstance(column.type, TIMESTAMP):
        in_utc = func.timezone(_quoted("UTC"), column)
        return func.to_char(in_utc, _TIME)
    if isinstance(column.type, Numeric):
        return cast(column, Text)
    return column
