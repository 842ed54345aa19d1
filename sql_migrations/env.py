"""Runs the migrations, one runner at a time.

The lock is polled on a connection of its own: a runner that blocked in ``pg_advisory_lock`` would
hold a snapshot that ``CREATE INDEX CONCURRENTLY`` waits for. Nobody waits if nothing is to be done.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from alembic import context
from alembic.runtime.migration import MigrationContext
from alembic.script import Script
from alembic.util.exc import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from service.relational.metadata import METADATA
from service.settings import Settings
from sql_migrations.progress import Progress

LOCK = 7_061_646_573  # any number that nothing else here locks
SECONDS_BETWEEN_POLLS = 0.1
SECONDS_BETWEEN_TICKS = 1.0
# A migration that cannot get its lock soon gives up: all the traffic would queue up behind it.
LIMITS = {"lock_timeout": "5s", "statement_timeout": "1h"}


def database_url() -> str:
    """What the caller set, else DATABASE_URL."""
    given: str | None = context.config.attributes.get("url")
    if given is not None:
        return given
    found = Settings().database_url
    if found is None:
        raise SystemExit("Set DATABASE_URL, or use `polystore migrate`.")
    return found.get_secret_value()


def run_offline() -> None:
    context.configure(
        dialect_name="postgresql",
        target_metadata=METADATA,
        literal_binds=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        for name, value in LIMITS.items():
            context.execute(f"SET {name} = '{value}'")
        context.run_migrations()


def run_in(connection: Connection) -> None:
    attributes = context.config.attributes
    progress: Progress | None = attributes.get("progress")
    applied: Callable[..., None] | None = None if progress is None else progress.apply
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        transaction_per_migration=True,
        compare_server_default=True,
        on_version_apply=applied,
    )
    current, last = context.get_context().get_current_revision(), attributes.get("last")
    if last not in (None, current):
        raise CommandError(f"The database is at {current} by now, no longer at {last}")
    if progress is not None:
        progress.begins(steps_from(current))
    with context.begin_transaction():
        context.run_migrations()


def steps_from(current: str | None) -> list[Script]:
    """What this run will do, in its order."""
    if not context.config.attributes.get("upgrading"):
        return [context.script.get_revision(current)] if current else []
    return list(context.script.iterate_revisions("head", current or "base"))[::-1]


def is_at_head(connection: Connection) -> bool:
    heads = set(context.script.get_heads())
    return set(MigrationContext.configure(connection).get_current_heads()) == heads


async def run_online() -> None:
    engine = create_async_engine(
        database_url(),
        hide_parameters=True,
        poolclass=NullPool,
        connect_args={"server_settings": LIMITS},
    )
    async with engine.connect() as connection:
        idle = context.config.attributes.get("upgrading") and await connection.run_sync(is_at_head)
    if not idle:
        await run_locked(engine)
    await engine.dispose()


async def run_locked(engine: AsyncEngine) -> None:
    progress: Progress | None = context.config.attributes.get("progress")
    autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    async with autocommit.connect() as holder, engine.connect() as connection:
        ask, told = text("SELECT pg_try_advisory_lock(:lock)"), progress is None
        while not await holder.scalar(ask, {"lock": LOCK}):
            if progress is not None and not told:
                progress.waits()
                told = True
            await asyncio.sleep(SECONDS_BETWEEN_POLLS)
        async with ticking(progress):
            await connection.run_sync(run_in)


@asynccontextmanager
async def ticking(progress: Progress | None) -> AsyncIterator[None]:
    """Signs of life while a statement runs: the loop is free then."""

    async def tick() -> None:
        while progress is not None:
            await asyncio.sleep(SECONDS_BETWEEN_TICKS)
            progress.tick()

    ticks = asyncio.create_task(tick())
    try:
        yield
    finally:
        ticks.cancel()


if context.is_offline_mode():
    run_offline()
else:
    asyncio.run(run_online())
