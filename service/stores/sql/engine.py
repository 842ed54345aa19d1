"""PostgreSQL: opened by the lifespan, handed out as sessions.

``route.py`` wraps each endpoint in one of the sessions made here.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar, cast

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from service.core.circuit_breaker import CircuitBreaker, Deadline
from service.core.metrics import Metrics
from service.settings import Settings
from service.stores.sql.errors import translate_sql_error
from service.stores.sql.pool import CountingPool, open_engine
from service.stores.sql.session import AFTER_COMMIT, DEADLINE, ON_BEGIN, session_maker

T = TypeVar("T")
AUTOCOMMIT = {"isolation_level": "AUTOCOMMIT"}
SNAPSHOT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


class SqlStore:
    """PostgreSQL as the lifespan holds it.

    Args:
        engine: of the primary.
        reporting: of the read replica; the primary's where there is none.
        breaker: of the primary.
        reporting_breaker: of the replica.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        reporting: AsyncEngine,
        breaker: CircuitBreaker,
        reporting_breaker: CircuitBreaker,
    ) -> None:
        self.engine, self.breaker, self.reporting_breaker = engine, breaker, reporting_breaker
        self.has_replica = reporting is not engine
        self._reads, self._writes = session_maker(engine, **AUTOCOMMIT), session_maker(engine)
        self._primary_reports = session_maker(engine, **SNAPSHOT)
        self._reports = session_maker(reporting, **SNAPSHOT)

    def register_metrics(self, metrics: Metrics) -> None:
        """Register the pool, the calls that wait for a connection, and the circuit breakers."""
        pool = cast("CountingPool", self.engine.pool)
        metrics.watch("postgresql", "connections_in_use", pool.checkedout)
        metrics.watch("postgresql", "connections_idle", pool.checkedin)
        metrics.watch("postgresql", "calls_waiting", lambda: pool.waiting)
        metrics.watch_breaker("postgresql", self.breaker)
        if self.has_replica:
            metrics.watch_breaker("replica", self.reporting_breaker)

    def reading(self, deadline: Deadline) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a session for reads: each statement stands by itself."""
        return _open(self._reads, {DEADLINE: deadline})

    def reporting(
        self, deadline: Deadline, *, primary: bool = False
    ) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a read-only snapshot on the replica, or on the primary."""
        maker = self._primary_reports if primary else self._reports
        return _open(maker, {DEADLINE: deadline})

    @asynccontextmanager
    async def transaction(
        self, deadline: Deadline, on_begin: Callable[[Connection], None] | None = None
    ) -> AsyncIterator[AsyncSession]:
        """Open a session in one transaction: leaving commits, an exception rolls back.

        The transaction begins with the first use of the session; ``on_begin`` is then called before
        anything else.
        """
        deadline.committing = False
        async with _open(self._writes, {DEADLINE: deadline, ON_BEGIN: on_begin}) as session:
            yield session
            await session.commit()
        for call in session.info.get(AFTER_COMMIT, ()):
            call()

    async def run(self, work: Callable[[AsyncSession], Awaitable[T]], *, writes: bool) -> T:
        """Return the result of ``work`` in a short session of its own, in time.

        For use cases whose request is not itself one session, because they hash a password between
        two of them.

        Raises:
            Unavailable: PostgreSQL is down, hangs, or is busy.
            OutcomeUnknown: it hung, and ``work`` may still have its effect.
        """
        deadline = self.breaker.deadline()

        async def once() -> T:
            async with self.transaction(deadline) if writes else self.reading(deadline) as session:
                return await work(session)

        return await self.breaker.run(once(), deadline, writes=writes)


@asynccontextmanager
async def _open(
    maker: async_sessionmaker[AsyncSession], info: dict[str, Any]
) -> AsyncIterator[AsyncSession]:
    """Open a session; close it, which rolls back, if it still has a connection.

    ``async with maker()`` closes every session, and in a task: 90 µs (measured).
    """
    session = maker(info=info)
    try:
        yield session
    finally:
        if session.in_transaction():
            await session.close()


@asynccontextmanager
async def open_sql(settings: Settings) -> AsyncIterator[SqlStore]:
    """Open the store for the lifespan; it connects later, so that the service starts without it."""
    assert settings.database_url is not None  # noqa: S101 - create_app has refused otherwise
    url, replica = settings.database_url, settings.reporting_database_url
    breaker = CircuitBreaker("PostgreSQL", settings.sql_deadline_seconds, translate_sql_error)
    # A replica that is down closes the reports and nothing else.
    replicas = (
        CircuitBreaker("The replica", settings.sql_deadline_seconds, translate_sql_error)
        if replica
        else breaker
    )
    async with AsyncExitStack() as engines:
        engine = reporting = await engines.enter_async_context(
            open_engine(url.get_secret_value(), settings)
        )
        if replica:
            reporting = await engines.enter_async_context(
                open_engine(replica.get_secret_value(), settings)
            )
        try:
            yield SqlStore(engine, reporting, breaker, replicas)
        finally:
            await breaker.drain()
            if replicas is not breaker:
                await replicas.drain()
