"""The session of a request: its statements, on one connection, within one transaction or none.

SQLAlchemy builds the statements and keeps the pool. It is not its ORM's session: rows are read and
written as rows here, nothing is an object with an identity, and what such a session does with each
statement took longer than PostgreSQL did. A :class:`Statement` goes to the driver itself.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Self, TypeVar, TypeVarTuple, cast, overload

import asyncpg
from sqlalchemy import Connection, CursorResult, Executable, ScalarResult
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import PoolProxiedConnection, QueuePool
from sqlalchemy.sql.selectable import TypedReturnsRows
from sqlalchemy.util.concurrency import greenlet_spawn

from service.core.circuit_breaker import Deadline
from service.stores.sql.fast_read import PreparedQuery

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
WRITES = "BEGIN"
REPORTS = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
Values = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class NotCommitted(Exception):
    """An error of a statement was swallowed; PostgreSQL took the whole transaction back."""


class Session:
    """Takes a connection with its first statement, and begins what ``begin`` says.

    Args:
        engine: whose connections PostgreSQL commits by itself, statement by statement.
        clock: starts with the first statement.
        begin: how a transaction begins; without, each statement stands by itself.
        first: awaited within the transaction before anything else.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        deadline: Deadline,
        begin: str | None = None,
        first: "Callable[[Session], Awaitable[None]] | None" = None,
    ) -> None:
        self._engine, self._clock, self._begin, self._first = engine, deadline, begin, first
        self._taken: PoolProxiedConnection | None = None
        self._alchemy: AsyncConnection | None = None
        self._after: list[Callable[[], None]] = []
        self._is_over = False

    async def fetch(
        self, statement: PreparedQuery, values: Mapping[str, Any], *, alone: bool = False
    ) -> Sequence[Any]:
        """The rows, as tuples of what the driver makes of PostgreSQL's types.

        Args:
            statement: what to run.
            values: of its parameters.
            alone: it is all that this session is for. Then it needs no transaction around it,
                which spares two round trips; what comes after it is an error.
        """
        alone = alone and self._taken is None and self._first is None
        if alone:
            self._begin = None
        driver = await self._driver()
        self._is_over = self._clock.committing = alone
        rows: Sequence[Any] = await driver.fetch(statement.text, *statement.arguments(values))
        return rows

    @overload
    async def execute(
        self, statement: TypedReturnsRows[*Ts], values: Values | None = None
    ) -> CursorResult[*Ts]: ...
    @overload
    async def execute(
        self, statement: Executable, values: Values | None = None
    ) -> CursorResult[*tuple[Any, ...]]: ...
    async def execute(
        self, statement: Executable, values: Values | None = None
    ) -> CursorResult[*tuple[Any, ...]]:
        """The result of any statement of SQLAlchemy's; many ``values`` are many executions."""
        return await (await self._through_sqlalchemy()).execute(statement, values)

    @overload
    async def scalars(self, statement: TypedReturnsRows[T]) -> ScalarResult[T]: ...
    @overload
    async def scalars(self, statement: Executable) -> ScalarResult[Any]: ...
    async def scalars(self, statement: Executable) -> ScalarResult[Any]:
        """The first column of each row."""
        return (await self.execute(statement)).scalars()

    @overload
    async def scalar(self, statement: TypedReturnsRows[T]) -> T | None: ...
    @overload
    async def scalar(self, statement: Executable) -> Any: ...
    async def scalar(self, statement: Executable) -> Any:
        """The first column of the first row; None if there is no row."""
        return (await self.execute(statement)).scalar()

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """What raises inside is undone with its locks, and the transaction goes on."""
        driver = await self._driver()
        await driver.execute("SAVEPOINT here")
        try:
            yield
        except Exception:
            await driver.execute("ROLLBACK TO SAVEPOINT here; RELEASE SAVEPOINT here")
            raise
        await driver.execute("RELEASE SAVEPOINT here")

    def after_commit(self, call: Callable[[], None]) -> None:
        """Calls it once the transaction is durable, and never if it is not."""
        self._after.append(call)

    async def __aenter__(self) -> Self:
        self._clock.committing = False
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Commits, or takes everything back if there was an error."""
        try:
            if self._begin is not None and self._taken is not None:
                await self._end(error)
        finally:
            await self._give_back(unharmed=error is None or isinstance(error, Exception))
        if error is None:
            for call in self._after:
                call()

    async def _end(self, error: BaseException | None) -> None:
        driver = await self._driver()
        if error is None:
            self._clock.committing = True
            if await driver.execute("COMMIT") != "COMMIT":
                raise NotCommitted
        elif isinstance(error, Exception):
            with suppress(Exception):  # whoever lost the connection has no transaction either
                await driver.execute("ROLLBACK")

    async def _give_back(self, *, unharmed: bool) -> None:
        """To the pool; closed, if it may be within a statement or a transaction still."""
        taken, self._taken = self._taken, None
        if taken is None or not taken.is_valid:
            return
        driver = cast("asyncpg.Connection", taken.driver_connection)
        if unharmed and not driver.is_closed() and not driver.is_in_transaction():
            pool = cast("QueuePool", self._engine.pool)
            if pool.checkedin() < pool.size():
                taken.close()
            else:  # it is one too many and is ended, for which SQLAlchemy has to wait
                await greenlet_spawn(taken.close)
        else:
            taken.invalidate()

    async def _driver(self) -> asyncpg.Connection:
        assert not self._is_over, "a statement that was to stand alone did not"  # noqa: S101
        if self._taken is None:
            self._clock.start()
            self._taken = await self._engine.raw_connection()
            if self._begin is not None:
                await cast("asyncpg.Connection", self._taken.driver_connection).execute(self._begin)
            if self._first is not None:
                await self._first(self)
        return cast("asyncpg.Connection", self._taken.driver_connection)

    async def _through_sqlalchemy(self) -> AsyncConnection:
        if self._alchemy is None:
            await self._driver()
            bare = Connection(self._engine.sync_engine, self._taken)
            self._alchemy = AsyncConnection(self._engine, bare)
        return self._alchemy
