"""The engine, its connection pool and their limits."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from weakref import WeakSet

import asyncpg
from sqlalchemy import Connection, event
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, PoolResetState
from typing_extensions import override

from service.settings import Settings
from service.stores.sql.connect import create_engine
from service.stores.sql.session import check_commits

SECONDS_WITHOUT_PING = 1.0
SQL_LOGGER = "sqlalchemy.engine.Engine"
"""The logger of SQLAlchemy's ``echo``."""


class CountingPool(AsyncAdaptedQueuePool):
    """A pool that counts the calls that wait for a connection, a new one included."""

    waiting = 0

    @override
    def _do_get(self) -> ConnectionPoolEntry:
        self.waiting += 1
        try:
            return super()._do_get()
        finally:
            self.waiting -= 1


@asynccontextmanager
async def open_engine(url: str, settings: Settings) -> AsyncIterator[AsyncEngine]:
    """Open an engine with the limits of the settings; terminate all its connections at the end.

    They are terminated instead of closed, because a close would wait for a server that hangs.
    """
    engine, connections = _create_engine(url, settings), WeakSet[asyncpg.Connection]()

    def note(connection: Any, _record: ConnectionPoolEntry) -> None:
        connections.add(connection.driver_connection)

    event.listen(engine.sync_engine, "connect", note)
    try:
        yield engine
    finally:
        for connection in tuple(connections):
            connection.terminate()
        await engine.dispose()


def _create_engine(url: str, settings: Settings) -> AsyncEngine:
    """Create an engine with limits on the server, in the driver and in the pool."""
    limits = {
        "statement_timeout": _ms(settings.sql_statement_seconds),
        "lock_timeout": _ms(settings.sql_lock_seconds),
        "idle_in_transaction_session_timeout": _ms(settings.sql_idle_in_transaction_seconds),
    }
    engine = create_engine(
        url,
        connect_seconds=settings.sql_connect_seconds,
        command_seconds=settings.sql_command_seconds,
        server_settings={
            "application_name": "polystore",
            "jit": "off",  # compiling a plan takes longer than a request's query
            # A generic plan scans whole tables for some values; planning takes 30 to 90 µs.
            "plan_cache_mode": "force_custom_plan",
            **limits,
        },
        through_pgbouncer=settings.sql_pgbouncer,
        echo=settings.sql_echo,
        poolclass=CountingPool,
        pool_size=settings.sql_pool_size,
        max_overflow=settings.sql_max_overflow,
        pool_timeout=settings.sql_pool_seconds,
        pool_recycle=settings.sql_pool_recycle_seconds,
        pool_reset_on_return=None,  # _reset rolls back only open transactions
    )
    if settings.sql_pgbouncer:
        event.listen(engine.sync_engine, "begin", partial(_set_limits, limits))
    check_commits(engine.sync_engine)
    event.listen(engine.sync_engine, "reset", _reset)
    if settings.sql_pool_pre_ping:
        event.listen(engine.sync_engine, "checkin", _note_time)
        event.listen(engine.sync_engine, "checkout", partial(_ping_idle, engine.dialect))
    return engine


def _set_limits(limits: Mapping[str, str], connection: Connection) -> None:
    """Set the limits of one transaction, because PgBouncer refuses those of a connection."""
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        settings = ", ".join(f"set_config('{name}', '{ms}', true)" for name, ms in limits.items())
        connection.exec_driver_sql(f"SELECT {settings}")


def _reset(connection: Any, _record: ConnectionPoolEntry, state: PoolResetState) -> None:
    """Roll back an open transaction; SQLAlchemy's own reset always takes a round trip."""
    if not state.terminate_only and connection.driver_connection.is_in_transaction():
        connection.rollback()


def _note_time(_connection: Any, record: ConnectionPoolEntry) -> None:
    record.info["used"] = time.monotonic()


def _ping_idle(dialect: Dialect, connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
    """Ping a connection that was idle.

    SQLAlchemy's own pre-ping pings at every checkout, in three round trips.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError("the server closed the connection")
    used = record.info.get("used")
    if used is None or time.monotonic() - used < SECONDS_WITHOUT_PING:
        return
    try:
        alive = dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error:
        alive = False
    if not alive:
        raise DisconnectionError("the idle connection was lost")


def _ms(seconds: float) -> str:
    return str(round(seconds * 1000))
