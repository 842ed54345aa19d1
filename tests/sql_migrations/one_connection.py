"""One connection on which many Alembic commands and statements run, for tests of many steps."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from alembic import command
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from service.stores.sql.migrations import alembic_config

T = TypeVar("T")


class OneConnection:
    """A connection without the advisory lock; each migration has its own transaction."""

    def __init__(self, runner: asyncio.Runner, connection: AsyncConnection) -> None:
        self._runner, self._connection = runner, connection

    def upgrade(self, revision: str) -> None:
        self.run(lambda shared: command.upgrade(alembic_config(connection=shared), revision))

    def downgrade(self, revision: str = "-1") -> None:
        self.run(lambda shared: command.downgrade(alembic_config(connection=shared), revision))

    def execute(self, *statements: str) -> None:
        """Execute the statements in one transaction."""

        def execute(shared: Connection) -> None:
            with shared.begin():
                for statement in statements:
                    shared.exec_driver_sql(statement)

        self.run(execute)

    def fetch(self, query: str) -> list[Any]:
        """Return the rows of a query."""

        def fetch(shared: Connection) -> list[Any]:
            with shared.begin():
                return list(shared.exec_driver_sql(query))

        return self.run(fetch)

    def run(self, work: Callable[[Connection], T]) -> T:
        """Call ``work`` with the connection."""
        return self._runner.run(self._connection.run_sync(work))


@contextmanager
def one_connection(url: str) -> Iterator[OneConnection]:
    """Open one connection to the database at ``url``."""
    # Without its cache, asyncpg prepares each statement anew, so that DDL does not invalidate it.
    engine = create_async_engine(
        url, poolclass=NullPool, connect_args={"prepared_statement_cache_size": 0}
    )
    with asyncio.Runner() as runner:
        connection = runner.run(engine.connect().start())
        try:
            yield OneConnection(runner, connection)
        finally:
            runner.run(connection.close())
            runner.run(engine.dispose())
