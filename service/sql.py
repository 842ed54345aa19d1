"""PostgreSQL: opened by the lifespan, handed out as SqlSession, the base of all tables.

The only place where a transaction ends. ``sql_route`` wraps each endpoint in one of the sessions
made here; a read runs on an autocommit view of the same pool, which spares it two round trips.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import Depends, Request
from sqlalchemy import BigInteger, Computed, MetaData, Uuid, event, func
from sqlalchemy.dialects.postgresql import TIMESTAMP, TSVECTOR
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, SessionTransaction, mapped_column
from uuid_utils.compat import uuid7

from service.errors import Conflict, QueryTooSlow, Refused, ServiceError, Unavailable
from service.guard import Clock, Guard
from service.settings import Settings

# -- open ------------------------------------------------------------------------------------------


class Sql:
    """PostgreSQL as the lifespan holds it."""

    def __init__(self, engine: AsyncEngine, reporting: AsyncEngine, guard: Guard) -> None:
        self.engine, self.guard = engine, guard
        self._reading = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._reporting = reporting.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )

    def reading(self, clock: Clock) -> AsyncSession:
        """A session for reads: each statement by itself, no transaction around them."""
        return _session(self._reading, clock)

    def reporting(self, clock: Clock) -> AsyncSession:
        """A session on the replica (or else the primary) that the server keeps read only."""
        return _session(self._reporting, clock)

    @asynccontextmanager
    async def transaction(self, clock: Clock) -> AsyncIterator[AsyncSession]:
        """One transaction: leaving commits, an exception rolls back."""
        async with _session(self.engine, clock) as session:
            yield session
            await session.commit()


class _ClockedSession(Session):
    """Starts the request's deadline with its first use, before it waits for a connection."""


@event.listens_for(_ClockedSession, "after_transaction_create")
def _start_clock(session: Session, _transaction: SessionTransaction) -> None:
    session.info["clock"].start()


@event.listens_for(_ClockedSession, "before_commit")
def _note_commit(session: Session) -> None:
    session.info["clock"].committing = True


def _session(engine: AsyncEngine, clock: Clock) -> AsyncSession:
    return AsyncSession(
        engine,
        sync_session_class=_ClockedSession,
        expire_on_commit=False,
        info={"clock": clock},
    )


def create_engine(url: str, settings: Settings) -> AsyncEngine:
    """An engine with our limits: on the server, in the driver and in the pool."""
    return create_async_engine(
        url,
        pool_size=settings.sql_pool_size,
        max_overflow=settings.sql_max_overflow,
        pool_timeout=settings.sql_pool_seconds,
        pool_recycle=settings.sql_pool_recycle_seconds,
        pool_pre_ping=settings.sql_pool_pre_ping,
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


def _ms(seconds: float) -> str:
    return str(round(seconds * 1000))


@asynccontextmanager
async def open_sql(settings: Settings) -> AsyncIterator[Sql]:
    """For the lifespan. Connects to nothing yet: the service starts while PostgreSQL is down."""
    assert settings.database_url is not None  # noqa: S101 - create_app has refused otherwise
    engine = create_engine(settings.database_url.get_secret_value(), settings)
    replica = settings.reporting_database_url
    reporting = create_engine(replica.get_secret_value(), settings) if replica else engine
    guard = Guard("PostgreSQL", settings.sql_deadline_seconds, translate)
    try:
        yield Sql(engine, reporting, guard)
    finally:
        await guard.drain()
        await reporting.dispose()
        await engine.dispose()


class SqlUnreachable(Unavailable):
    detail = "PostgreSQL is not reachable."


class SqlBusy(Unavailable):
    code, detail = "busy", "All connections to PostgreSQL are in use."


class Collision(Unavailable):
    code, detail = "collision", "Too many changes to the same rows at once; try again."


class Locked(Unavailable):
    code, detail = "locked", "Another change holds these rows; try again."


class SchemaBehind(Unavailable):
    code = "schema_behind"
    detail = "The schema is behind; the operator runs `polystore migrate apply`."


class ValueOutOfRange(Refused):
    code, detail = "out_of_range", "A value is outside what can be stored."


# By SQLSTATE, or by its class of two characters (PostgreSQL manual, appendix A).
_BY_STATE: dict[str, type[ServiceError]] = {
    **dict.fromkeys(("23505", "23503", "23P01"), Conflict),
    **dict.fromkeys(("40001", "40P01"), Collision),
    **dict.fromkeys(("42P01", "42703"), SchemaBehind),
    "55P03": Locked,
    "57014": QueryTooSlow,
    **dict.fromkeys(("22", "23", "54"), ValueOutOfRange),
    **dict.fromkeys(("08", "25", "28", "3D", "53", "57"), SqlUnreachable),
}


def translate(error: Exception) -> ServiceError | None:
    """What a driver error means to a client; None if it has nothing to do with the store."""
    if isinstance(error, PoolTimeout):
        return SqlBusy()
    cause: BaseException = error
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return SqlUnreachable()
        cause = error.driver_exception
    if isinstance(cause, asyncpg.PostgresError):
        guarded = ServiceError.guarded.get(getattr(cause, "constraint_name", None) or "")
        state = cause.sqlstate or ""
        kind = guarded or _BY_STATE.get(state) or _BY_STATE.get(state[:2])
        return kind() if kind is not None else None
    if isinstance(cause, asyncpg.DataError):  # the driver itself refused to encode a value
        return ValueOutOfRange()
    lost = isinstance(cause, OSError | asyncpg.InterfaceError | asyncpg.InternalClientError)
    return SqlUnreachable() if lost else None


def is_collision(error: Exception) -> bool:
    """A deadlock or serialization failure: nothing was done, and trying again may succeed."""
    return isinstance(error, DBAPIError) and getattr(error.driver_exception, "sqlstate", "") in (
        "40001",
        "40P01",
    )


# -- hand out --------------------------------------------------------------------------------------


async def _this_session(request: Request) -> AsyncSession:
    session: AsyncSession = request.state.sql_session
    return session


async def _this_reporting_session(request: Request) -> AsyncSession:
    session: AsyncSession = request.state.reporting_session
    return session


SqlSession = Annotated[AsyncSession, Depends(_this_session)]
ReportingSession = Annotated[AsyncSession, Depends(_this_reporting_session)]

# -- base ------------------------------------------------------------------------------------------

# Milliseconds, as in MongoDB and on the wire: what is stored is what is shown.
Timestamp = TIMESTAMP(timezone=True, precision=3)


class Base(DeclarativeBase):
    """What every table inherits: names that say what a constraint protects, and times in UTC."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map = {datetime: Timestamp, UUID: Uuid()}


class Row(Base):
    """A table with an id, a version and the times of its birth and last change."""

    __abstract__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7, sort_order=-10)
    version: Mapped[int] = mapped_column(BigInteger, server_default="1", sort_order=90)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), sort_order=91)
    updated_at: Mapped[datetime] = mapped_column(
        server_default=func.now(), onupdate=func.now(), sort_order=92
    )


def search_vector(expression: str) -> Any:
    """A stored tsvector column over ``expression``; index it with GIN."""
    return mapped_column(TSVECTOR, Computed(expression, persisted=True), sort_order=99)
