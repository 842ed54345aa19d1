"""PostgreSQL: opened by the lifespan, handed out as SqlSession, the base of all tables.

``sql_route`` wraps each endpoint in one of the sessions made here; a read has no transaction, which
spares it two round trips.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated, TypeVar, cast

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from service.core.circuit_breaker import CircuitBreaker, Deadline
from service.core.metrics import Metrics
from service.settings import Settings
from service.stores.sql.errors import translate_sql_error
from service.stores.sql.pool import open_engine
from service.stores.sql.session import REPORTS, WRITES, Session
from service.web.context import provided

T = TypeVar("T")

# -- open ------------------------------------------------------------------------------------------


class SqlStore:
    """PostgreSQL as the lifespan holds it."""

    def __init__(
        self,
        engine: AsyncEngine,
        reporting: AsyncEngine,
        breaker: CircuitBreaker,
        reporting_breaker: CircuitBreaker,
    ) -> None:
        self.engine, self.breaker, self.reporting_breaker = engine, breaker, reporting_breaker
        self.has_replica = reporting is not engine
        # Transactions are begun and ended by our sessions, and not by SQLAlchemy below them.
        self._replica, self._primary = (
            each.execution_options(isolation_level="AUTOCOMMIT") for each in (reporting, engine)
        )

    def register_metrics(self, metrics: Metrics) -> None:
        """Lets /metrics see the pool."""
        pool = cast("QueuePool", self.engine.pool)
        metrics.watch("postgresql", "connections_in_use", pool.checkedout)
        metrics.watch("postgresql", "connections_idle", pool.checkedin)
        metrics.watch("postgresql", "calls_abandoned", lambda: self.breaker.detached)

    def reading(self, deadline: Deadline) -> Session:
        """For reads: each statement by itself, no transaction around them."""
        return Session(self._primary, deadline)

    def reporting(self, deadline: Deadline, *, primary: bool = False) -> Session:
        """On the replica, if there is one: a snapshot that the server keeps read only."""
        return Session(self._primary if primary else self._replica, deadline, REPORTS)

    def transaction(
        self, deadline: Deadline, first: Callable[[Session], Awaitable[None]] | None = None
    ) -> Session:
        """One transaction: leaving commits, an exception rolls back.

        It begins with the first use of the session; ``first`` is then awaited before anything else.
        """
        return Session(self._primary, deadline, WRITES, first)

    async def run(self, work: Callable[[Session], Awaitable[T]], *, writes: bool) -> T:
        """The result of ``work`` in a short session of its own, in time.

        For those whose request is not itself one session: they hash a password in between.

        Raises:
            Unavailable: PostgreSQL is down, hangs, or is busy.
            OutcomeUnknown: it hung, and ``work`` may still have its effect.
        """
        deadline = self.breaker.deadline()

        async def once() -> T:
            async with self.transaction(deadline) if writes else self.reading(deadline) as session:
                return await work(session)

        return await self.breaker.run(once(), deadline, writes=writes)


def after_commit(session: Session, call: Callable[[], None]) -> None:
    """Calls it once the session's transaction is durable, and never if it is not."""
    session.after_commit(call)


@asynccontextmanager
async def open_sql(settings: Settings) -> AsyncIterator[SqlStore]:
    """For the lifespan. Connects to nothing yet: the service starts while PostgreSQL is down."""
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


# -- hand out --------------------------------------------------------------------------------------


def _this_session(request: Request) -> Session:
    session: Session = request.state.sql_session
    return session


def _this_reporting_session(request: Request) -> Session:
    session: Session = request.state.reporting_session
    return session


def _this_sql(request: Request) -> SqlStore:
    sql: SqlStore = request.state.sql
    return sql


SqlSession = Annotated[Session, provided(_this_session)]
# For those whose request is not itself one session.
SqlStoreDep = Annotated[SqlStore, provided(_this_sql)]
ReportingSession = Annotated[Session, provided(_this_reporting_session)]
