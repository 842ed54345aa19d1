"""Alembic's environment: runs the migrations, one runner at a time.

The advisory lock is polled on its own connection. A runner that blocked in ``pg_advisory_lock``
would have a snapshot that ``CREATE INDEX CONCURRENTLY`` waits for. A database at its head is not
locked.

``config.attributes`` (see ``service.stores.sql.migrations.alembic_config``) may have a
``connection``. All then runs on that connection, without the lock.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from alembic import context
from alembic.runtime.migration import MigrationContext
from alembic.script import Script
from alembic.util.exc import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool

from service.relational.metadata import METADATA
from service.settings import Settings
from service.stores.embedded import running_stores
from service.stores.sql.base import Xid8
from service.stores.sql.connect import create_engine
from sql_migrations.progress import MigrationProgress

LOCK = 7_061_646_573  # an arbitrary number; no other advisory lock of this project has it
CONNECT_SECONDS = 10.0
POLL_SECONDS = 0.1
HEARTBEAT_SECONDS = 1.0
# A migration gives up soon if it cannot get its lock, because all other requests queue behind it.
LIMITS = {"lock_timeout": "5s", "statement_timeout": "1h"}

ischema_names["xid8"] = Xid8  # SQLAlchemy, which compares tables with the database, knows no xid8


def database_url() -> str:
    """Return the caller's URL, else DATABASE_URL, else that of the running `polystore serve`."""
    url: str | None = context.config.attributes.get("url")
    if url is not None:
        return url
    settings = Settings()
    secret = settings.migration_database_url or settings.database_url
    if secret is not None:
        return secret.get_secret_value()
    running = running_stores(settings.data_dir)
    if running is None:
        raise SystemExit("Set DATABASE_URL, or run `make serve` in another terminal.")
    return running.database_url


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


def run_shared(connection: Connection) -> None:
    if connection.in_transaction():
        raise CommandError("The shared connection is in a transaction; end it first")
    run_on(connection)
    connection.rollback()  # the transaction that reading the revision has begun


def run_on(connection: Connection) -> None:
    attributes = context.config.attributes
    progress: MigrationProgress | None = attributes.get("progress")
    on_version_apply: Callable[..., None] | None = None
    if progress is not None:
        on_version_apply = progress.finish_step
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        transaction_per_migration=True,
        compare_server_default=True,
        on_version_apply=on_version_apply,
    )
    current, expected = context.get_context().get_current_revision(), attributes.get("expected")
    if expected not in (None, current):
        raise CommandError(f"The database is at {current} by now, no longer at {expected}")
    if progress is not None:
        progress.start(steps_from(current))
    with context.begin_transaction():
        context.run_migrations()


def steps_from(current: str | None) -> list[Script]:
    """Return the migrations of this run, in their order."""
    if not context.config.attributes.get("upgrading"):
        return [context.script.get_revision(current)] if current else []
    return list(context.script.iterate_revisions("head", current or "base"))[::-1]


def is_at_head(connection: Connection) -> bool:
    heads = set(context.script.get_heads())
    return set(MigrationContext.configure(connection).get_current_heads()) == heads


async def run_online() -> None:
    engine = create_engine(
        database_url(),
        connect_seconds=CONNECT_SECONDS,
        server_settings=LIMITS,
        poolclass=NullPool,
    )
    async with engine.connect() as connection:
        done = context.config.attributes.get("upgrading") and await connection.run_sync(is_at_head)
    if not done:
        await run_locked(engine)
    await engine.dispose()


async def run_locked(engine: AsyncEngine) -> None:
    progress: MigrationProgress | None = context.config.attributes.get("progress")
    autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    async with autocommit.connect() as lock_holder, engine.connect() as connection:
        try_lock, reported = text("SELECT pg_try_advisory_lock(:lock)"), progress is None
        while not await lock_holder.scalar(try_lock, {"lock": LOCK}):
            if progress is not None and not reported:
                progress.lock_wait()
                reported = True
            await asyncio.sleep(POLL_SECONDS)
        async with heartbeats(progress):
            await connection.run_sync(run_on)


@asynccontextmanager
async def heartbeats(progress: MigrationProgress | None) -> AsyncIterator[None]:
    """Call ``progress.heartbeat()`` every second; the event loop is free while a statement runs."""

    async def beat() -> None:
        while progress is not None:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            progress.heartbeat()

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()


if context.is_offline_mode():
    run_offline()
elif (shared := context.config.attributes.get("connection")) is not None:
    run_shared(shared)
else:
    asyncio.run(run_online())
