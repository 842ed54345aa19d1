"""An engine and its pool of connections, within our limits; and a connection to read by."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

import asyncpg
from sqlalchemy import CursorResult, Executable, ScalarResult, event
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    create_async_engine,
)
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from service.guard import Clock
from service.settings import Settings
from service.sql_statement import Statement

SECONDS_UNASKED = 1.0


def create_engine(url: str, settings: Settings) -> AsyncEngine:
    """An engine with our limits: on the server, in the driver and in the pool."""
    engine = create_async_engine(
        url,
        hide_parameters=True,  # in errors and so in logs
        pool_size=settings.sql_pool_size,
        max_overflow=settings.sql_max_overflow,
        pool_timeout=settings.sql_pool_seconds,
        pool_recycle=settings.sql_pool_recycle_seconds,
        connect_args={
            "timeout": settings.sql_connect_seconds,
            "command_timeout": settings.sql_command_seconds,
            "server_settings": {
                "application_name": "polystore",
                "jit": "off",  # compiling a plan takes longer than any query of a request
                "statement_timeout": _ms(settings.sql_statement_seconds),
                "lock_timeout": _ms(settings.sql_lock_seconds),
                "idle_in_transaction_session_timeout": _ms(
                    settings.sql_idle_in_transaction_seconds
                ),
            },
        },
    )
    if settings.sql_pool_pre_ping:
        event.listen(engine.sync_engine, "checkin", _note_time)
        event.listen(engine.sync_engine, "checkout", partial(_ask_idle, engine.dialect))
    return engine


def _note_time(_connection: Any, record: ConnectionPoolEntry) -> None:
    record.info["used"] = time.monotonic()


def _ask_idle(dialect: Dialect, connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
    """Asks only a connection that rested: SQLAlchemy's own asks each time, in three round trips."""
    used = record.info.get("used")
    if used is None or time.monotonic() - used < SECONDS_UNASKED:
        return
    try:
        alive = dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error:
        alive = False
    if not alive:
        raise DisconnectionError("it was lost while it rested")


def _ms(seconds: float) -> str:
    return str(round(seconds * 1000))


class Reading:
    """What a session is for statements that give rows, without the session.

    The ORM has nothing to do with columns; without it a page of 50 took 1.75 ms instead of 2.0. A
    :class:`Statement` goes to the driver itself, on a connection of the same pool.
    """

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine, self._clock = engine, clock
        self._connection: AsyncConnection | None = None
        self._bare: PoolProxiedConnection | None = None

    async def __aenter__(self) -> AsyncSession:
        return cast("AsyncSession", self)

    async def __aexit__(self, *_error: object) -> None:
        self._give_back()
        if self._connection is not None:
            await self._connection.close()

    async def _connected(self) -> AsyncConnection:
        self._give_back()  # a request never waits for one connection while it holds another
        if self._connection is None:
            self._clock.start()
            self._connection = await self._engine.connect()
        return self._connection

    async def fetch(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Any]:
        """The rows, which are tuples of what the driver makes of PostgreSQL's types."""
        driver = await self._driver()
        rows: Sequence[Any] = await driver.fetch(statement.text, *statement.arguments(values))
        return rows

    async def _driver(self) -> asyncpg.Connection:
        if self._connection is not None:
            raw = await self._connection.get_raw_connection()
            return cast("asyncpg.Connection", raw.driver_connection)
        if self._bare is None:
            self._clock.start()
            self._bare = await self._engine.raw_connection()
        return cast("asyncpg.Connection", self._bare.driver_connection)

    def _give_back(self) -> None:
        if self._bare is None:
            return
        if cast("asyncpg.Connection", self._bare.driver_connection).is_closed():
            self._bare.invalidate()
        else:
            self._bare.close()
        self._bare = None

    async def execute(
        self, statement: Executable, values: Mapping[str, Any] | None = None
    ) -> CursorResult[Any]:
        return await (await self._connected()).execute(statement, values)

    async def scalars(self, statement: Executable) -> ScalarResult[Any]:
        return await (await self._connected()).scalars(statement)

    async def scalar(self, statement: Executable) -> Any:
        return await (await self._connected()).scalar(statement)


async def fetch(
    session: AsyncSession, statement: Statement, values: Mapping[str, Any]
) -> Sequence[Any]:
    """The rows of a statement, in a read or in a transaction."""
    if isinstance(session, Reading):
        return await session.fetch(statement, values)
    return (await session.execute(statement.clause, dict(values))).all()
