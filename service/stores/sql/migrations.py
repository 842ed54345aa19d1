"""Operations on the PostgreSQL schema, with Alembic: plan and apply.

Each opens its own connections. Many Alembic commands can share a SQLAlchemy ``Connection``:
``command.upgrade(alembic_config(connection=connection), "head")``, as often as needed. Each
migration still has its own transaction, so the connection must not be in one. The advisory lock is
not taken, so no other runner may be at work.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import NullPool

import sql_migrations
from service.stores.sql.connect import ConnectFailed, create_engine
from sql_migrations.batches import Batches
from sql_migrations.phases import CONTRACT, OlderProcesses
from sql_migrations.progress import FinishedMigration, MigrationProgress, ReportLine
from sql_migrations.refusal import RowsInTheWay

T = TypeVar("T")
# Short, because an operator waits for the plan.
CONNECT_SECONDS = 5.0
READ_LIMITS = {"statement_timeout": "5s"}


class PendingMigration(NamedTuple):
    """A migration to be applied; ``batches`` if it changes data instead of the schema.

    ``phase`` is ``expand`` or ``contract``; see ``sql_migrations/phases.py``.
    """

    revision: str
    why: str
    batches: Batches | None
    phase: str


class SchemaState(StrEnum):
    """A database's revision compared with the head of this code."""

    CURRENT = "current"
    CONTRACT_PENDING = "contract_pending"  # this code works without the steps that are pending
    BEHIND = "behind"
    AHEAD = "ahead"  # a newer release has migrated it; migrations only add before older code ends


AHEAD_MESSAGE = (
    "The schema is ahead of this release: a newer one has migrated it to {head}. This release "
    "works with it, and has nothing to apply."
)


def alembic_config(
    url: str | None = None, progress: MigrationProgress | None = None, **attributes: Any
) -> Config:
    """Return Alembic's configuration; the URL is passed in it, so that no file has the password."""
    config = Config()
    config.set_main_option("script_location", str(Path(sql_migrations.__file__).parent))
    config.attributes.update(url=url, progress=progress, **attributes)
    return config


@cache
def _phases() -> dict[str, str]:
    """Return the phase of each revision that this code knows, newest first."""
    scripts = ScriptDirectory.from_config(alembic_config()).walk_revisions()
    return {script.revision: script.module.PHASE for script in scripts}


def expected_head() -> str:
    """Return the revision that this code needs."""
    return next(iter(_phases()))


def state_of(head: str | None) -> SchemaState:
    """Return the state of a database at the revision ``head``; None before the first migration."""
    phases = _phases()
    if head == expected_head():
        return SchemaState.CURRENT
    if head is not None and head not in phases:
        return SchemaState.AHEAD
    pending = takewhile(lambda revision: revision != head, phases)
    if head is not None and {phases[revision] for revision in pending} == {CONTRACT}:
        return SchemaState.CONTRACT_PENDING
    return SchemaState.BEHIND


def is_known(revision: str) -> bool:
    return revision in _phases()


async def current_head(connection: AsyncConnection) -> str | None:
    """Return the database's revision; None before the first migration."""
    try:
        head: str | None = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    except ProgrammingError as error:
        if not isinstance(error.driver_exception, asyncpg.UndefinedTableError):
            raise
        await connection.rollback()
        return None
    return head


class MigrationFailed(Exception):
    """The database could not be read or changed."""


class MigrationRefused(MigrationFailed):
    """Older processes need what a migration removes, or rows break a rule that it introduces."""


def head_of(url: str) -> str | None:
    """Return the revision of the database at ``url``; None before the first migration.

    Raises:
        MigrationFailed: The database is not reachable.
    """
    return run_query(url, current_head)


def run_query(url: str, query: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    async def run() -> T:
        engine = create_engine(
            url,
            connect_seconds=CONNECT_SECONDS,
            server_settings=READ_LIMITS,
            poolclass=NullPool,
        )
        try:
            async with engine.connect() as connection:
                return await query(connection)
        finally:
            await engine.dispose()

    try:
        return asyncio.run(run())
    except ConnectFailed as error:
        raise MigrationFailed(f"PostgreSQL is not reachable: {error}.") from error
    except DBAPIError as error:
        raise MigrationFailed(f"PostgreSQL refuses: {error.driver_exception}.") from error
    except (SQLAlchemyError, OSError) as error:
        raise MigrationFailed(f"PostgreSQL did not answer ({type(error).__name__}).") from error


@contextmanager
def translate_errors(progress: MigrationProgress | None = None) -> Iterator[None]:
    """Raise MigrationFailed, with a message for operators, for errors of Alembic and database."""
    try:
        yield
    except (OlderProcesses, RowsInTheWay) as error:
        raise MigrationRefused(f"{error}.") from error
    except CommandError as error:
        raise MigrationFailed(f"Alembic refuses: {error}.") from error
    except (SQLAlchemyError, OSError, KeyboardInterrupt) as error:
        revision = progress.current_revision if progress is not None else None
        at = f" at {revision}" if revision else ""
        raise MigrationFailed(
            f"The migration stopped{at}. Finished migrations and finished batches stay; the rest "
            f"was rolled back. Run it again to continue. {_first_cause(error)}"
        ) from error


def _first_cause(error: BaseException) -> str:
    # Later errors hide the first: cleaning up on a dead connection fails as well.
    earlier: BaseException | None = error
    while earlier is not None:
        if isinstance(earlier, KeyboardInterrupt | asyncio.CancelledError):
            return "It was interrupted."
        if isinstance(earlier, SQLAlchemyError | OSError):
            error = earlier
        earlier = earlier.__context__
    return str(error)


def pending(current: str | None) -> list[PendingMigration]:
    """Return the migrations after the revision ``current``, oldest first.

    There are none for a schema that is ahead.
    """
    if state_of(current) is SchemaState.AHEAD:
        return []
    directory = ScriptDirectory.from_config(alembic_config())
    return [
        PendingMigration(
            script.revision,
            script.doc,
            getattr(script.module, "BATCHES", None),
            script.module.PHASE,
        )
        for script in reversed(list(directory.iterate_revisions("head", current or "base")))
    ]


def rows_to_change(url: str, batches: Batches) -> int | None:
    """Return the number of rows a data migration would change; None if counting takes over 5 s."""

    async def count(connection: AsyncConnection) -> int | None:
        try:
            return int(await connection.scalar(batches.count) or 0)
        except ProgrammingError:  # an earlier pending migration creates the table
            return 0
        except DBAPIError as error:
            if isinstance(error.driver_exception, asyncpg.QueryCanceledError):
                return None
            raise

    return run_query(url, count)


def apply(url: str, log: ReportLine, show: ReportLine | None = None) -> list[FinishedMigration]:
    """Upgrade the schema to the head; return the applied migrations. One that is ahead stays.

    Two runners at once are safe: one waits and then has nothing to do. ``log`` receives a line per
    migration; ``show``, for a terminal, the current state about once a second.

    Raises:
        MigrationFailed: The database is not reachable, or a migration failed.
        MigrationRefused: Older processes run, or rows stand in the way; the migrations before that
            one are done.
    """
    head = head_of(url)
    if state_of(head) is SchemaState.AHEAD:
        log(AHEAD_MESSAGE.format(head=head))
        return []
    progress = MigrationProgress(log, show)
    with translate_errors(progress):
        command.upgrade(alembic_config(url, progress, upgrading=True), "head")
    return progress.finished


def print_sql(head: str | None) -> None:
    """Print the migrations after the revision ``head`` as SQL, to be reviewed or run by hand."""
    if pending(head):
        command.upgrade(alembic_config(), f"{head}:head" if head else "head", sql=True)
