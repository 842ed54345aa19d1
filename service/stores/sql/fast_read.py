"""Statements built once, and rows that PostgreSQL itself writes as JSON.

SQLAlchemy builds them from the tables like any other. What it would do again with each execution
(build, a cache key, a result and its types) and what Pydantic would do with each row were three
quarters of a small read.
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
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningInsert

# What a field of an answer is made of: a column, or fields nested under its name.
Projection = Mapping[str, "SQLColumnExpression[Any] | Projection"]
_DIALECT: Any = dialect()  # type: ignore[no-untyped-call] # SQLAlchemy's


def _quoted(text: str) -> ColumnElement[str]:
    """A constant of ours in the statement itself."""
    return literal_column(f"'{text}'", Text())


_TIME = _quoted('YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')


class PreparedQuery:
    """A statement of which only the values change: ``bindparam("user_id")``.

    Args:
        clause: a SELECT, or what has a RETURNING.
        keys: the columns an INSERT of a table gives a value, each by its name.
        prefix: what stands before it: EXPLAIN.

    Raises:
        TypeError: it gives what SQLAlchemy would have to convert, or has ``IN (…)``.
    """

    def __init__(
        self,
        clause: Select[*tuple[Any, ...]] | ReturningInsert[*tuple[Any, ...]],
        keys: Sequence[str] | None = None,
        prefix: str = "",
    ) -> None:
        compiled = clause.compile(dialect=_DIALECT, column_keys=keys)
        self.text = f"{prefix}{compiled}"
        self._given = {name: compiled.params[name] for name in compiled.positiontup or ()}
        types = [column.type.result_processor(_DIALECT, None) for column in clause.exported_columns]
        if any(types) or compiled.post_compile_params:
            raise TypeError("a Statement gives what the driver gives; in_() becomes == any_()")

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """Return the values in the driver's order; values not named are the clause's own.

        Raises:
            TypeError: a name belongs to no parameter, so its value would be lost.
        """
        if not values.keys() <= self._given.keys():
            raise TypeError(f"unknown parameters: {sorted(values.keys() - self._given.keys())}")
        return [values.get(name, given) for name, given in self._given.items()]


async def fetch(
    session: AsyncSession, query: PreparedQuery, values: Mapping[str, Any]
) -> Sequence[Any]:
    """Return the rows, as tuples of what the driver makes of PostgreSQL's types.

    The query goes to the driver itself, on the session's connection. It starts no transaction, so
    that only sessions for reads may use it.
    """
    connection = (await session.connection()).sync_connection
    assert connection is not None  # noqa: S101 - it is, once awaited
    driver = cast_type("asyncpg.Connection", connection.connection.driver_connection)
    rows: Sequence[Any] = await driver.fetch(query.text, *query.arguments(values))
    return rows


def json_row(shown: Projection) -> ColumnElement[str]:
    """A row as the object that goes out: times in UTC with milliseconds, exact numbers as text."""
    return cast(_object(shown), Text)


def _object(shown: Projection) -> ColumnElement[Any]:
    arguments: list[Any] = []
    for name, field in shown.items():
        value = _object(field) if isinstance(field, Mapping) else _value(field)
        arguments += [_quoted(name), value]
    return func.json_build_object(*arguments)


def _value(column: Any) -> Any:
    if isinstance(column.type, TIMESTAMP):
        in_utc = func.timezone(_quoted("UTC"), column)
        return func.to_char(in_utc, _TIME)
    if isinstance(column.type, Numeric):
        return cast(column, Text)
    return column
