"""Runs the migrations, one runner at a time.

The lock is polled on a connection of its own: a runner that blocked in ``pg_advisory_lock`` would
hold a snapshot that ``CREATE INDEX CONCURRENTLY`` waits for. Nobody waits if nothing is to be done.
"""

import asyncio

from alembic import context
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from service.all_tables import METADATA
from service.settings import Settings

LOCK = 7_061_646_573  # any number that nothing else here locks
SECONDS_BETWEEN_POLLS = 0.1
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
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        transaction_per_migration=True,
        compare_server_default=True,
        on_version_apply=context.config.attributes.get("tell"),
    )
    with context.begin_transaction():
        context.run_migrations()


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
    autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    async with autocommit.connect() as holder, engine.connect() as connection:
        ask = text("SELECT pg_try_advisory_lock(:lock)")
        while not await holder.scalar(ask, {"lock": LOCK}):  # noqa: ASYNC110 - another process's
            await asyncio.sleep(SECONDS_BETWEEN_POLLS)
        await connection.run_sync(run_in)


if context.is_offline_mode():
    run_offline()
else:
    asyncio.run(run_online())
