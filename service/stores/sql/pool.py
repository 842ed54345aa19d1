"""An engine and its pool of connections, within our limits."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from weakref import WeakSet

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    create_async_engine,
)
from sqlalchemy.pool import ConnectionPoolEntry, PoolResetState

from service.settings import Settings
from service.stores.sql.session import check_commits

SECONDS_UNASKED = 1.0


@asynccontextmanager
async def open_engine(url: str, settings: Settings) -> AsyncIterator[AsyncEngine]:
    """An engine within our limits. At the end no connection of it is left.

    None of them says goodbye: on each, SQLAlchemy would wait for the answer of a server that hangs.
    """
    engine, made = _create_engine(url, settings), WeakSet[asyncpg.Connection]()

    def note(connection: Any, _record: ConnectionPoolEntry) -> None:
        made.add(connection.driver_connection)

    event.listen(engine.sync_engine, "connect", note)
    try:
        yield engine
    finally:
        for connection in tuple(made):
            connection.terminate()
        await engine.dispose()


def _create_engine(url: str, settings: Settings) -> AsyncEngine:
    """An engine with our limits: on the server, in the driver and in the pool."""
    engine = create_async_engine(
        url,
        hide_parameters=True,  # in errors and so in logs
        pool_size=settings.sql_pool_size,
        max_overflow=settings.sql_max_overflow,
        pool_timeout=settings.sql_pool_seconds,
        pool_recycle=settings.sql_pool_recycle_seconds,
        pool_reset_on_return=None,  # _reset asks for a rollback only where there is one to do
        connect_args={
            "timeout": settings.sql_connect_seconds,
            "command_timeout": settings.sql_command_seconds,
            "server_settings": {
                "application_name": "polystore",
                "jit": "off",  # compiling a plan takes longer than any query of a request
                # A plan for any value reads whole tables for some; a new one takes 30 to 90 µs.
                "plan_cache_mode": "force_custom_plan",
                "statement_timeout": _ms(settings.sql_statement_seconds),
                "lock_timeout": _ms(settings.sql_lock_seconds),
                "idle_in_transaction_session_timeout": _ms(
                    settings.sql_idle_in_transaction_seconds
                ),
            },
        },
    )
    check_commits(engine.sync_engine)
    event.listen(engine.sync_engine, "reset", _reset)
    if settings.sql_pool_pre_ping:
        event.listen(engine.sync_engine, "checkin", _note_time)
        event.listen(engine.sync_engine, "checkout", partial(_ask_idle, engine.dialect))
    return engine


def _reset(connection: Any, _record: ConnectionPoolEntry, state: PoolResetState) -> None:
    """Roll back what a session left open; SQLAlchemy's own reset takes a round trip each time."""
    if not state.terminate_only and connection.driver_connection.is_in_transaction():
        connection.rollback()


def _note_time(_connection: Any, record: ConnectionPoolEntry) -> None:
    record.info["used"] = time.monotonic()


def _ask_idle(dialect: Dialect, connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
    """Asks only a connection that rested: SQLAlchemy's own asks each time, in three round trips."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError("it was closed by the other side")
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
