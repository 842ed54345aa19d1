"""A temporary database with the schema that the migrations make.

It is dropped in any case. A run that was killed leaves its database; the next run drops it. A run
at work has a connection whose ``application_name`` is the name of its database, so no other run
takes that database for a leftover.
"""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from alembic import command
from alembic.util.exc import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from service.settings.database_url import with_database
from service.stores.sql.migrations import MigrationFailed, alembic_config
from service.stores.sql.schema_check.catalog import read_catalog
from service.stores.sql.schema_check.connection import ServerFacts, connected, server_facts
from service.stores.sql.schema_check.objects import Catalog

ReportLine = Callable[[str], None]
# The database is not kept, so no commit waits for the disk.
SETTINGS = {"synchronous_commit": "off", "statement_timeout": "60s"}
INSUFFICIENT_PRIVILEGE = "42501"
# DROP DATABASE refuses a database that someone is connected to.
LEFTOVERS = r"""
SELECT datname FROM pg_database d
WHERE datname ~ '^polystore_check_[0-9a-f]{16}$' AND NOT EXISTS (
    SELECT FROM pg_stat_activity a WHERE a.datname = d.datname OR a.application_name = d.datname
)
"""


class TemporaryDatabaseRefused(MigrationFailed):
    """The server creates no database for this user; the message names the remedy."""


async def fresh_catalog(
    server_url: str, checked: ServerFacts, schema: str, revision: str, log: ReportLine
) -> Catalog:
    """Return the catalog that the migrations up to ``revision`` make, in a temporary database.

    They use the schema ``schema``, as in the checked database.

    Raises:
        TemporaryDatabaseRefused: The server creates no database, or none that can be used.
        MigrationFailed: The migrations failed.
    """
    async with (
        temporary_database(server_url, checked, log) as url,
        connected(url, SETTINGS) as connection,
    ):
        await _create_schema(connection, schema)
        try:
            await connection.run_sync(_upgrade, revision)
        except (SQLAlchemyError, CommandError) as error:
            raise MigrationFailed(f"The migrations fail on an empty database: {error}") from error
        return await read_catalog(connection)


def _upgrade(connection: Connection, revision: str) -> None:
    command.upgrade(alembic_config(connection=connection), revision)


async def _create_schema(connection: AsyncConnection, schema: str) -> None:
    async with connection.begin():
        await connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        await connection.exec_driver_sql(f"SET search_path = {schema}")


@asynccontextmanager
async def temporary_database(
    server_url: str, checked: ServerFacts, log: ReportLine
) -> AsyncIterator[str]:
    """Create a database with the locale of the checked one, yield its URL, and drop it."""
    name = f"polystore_check_{secrets.token_hex(8)}"
    settings = {**SETTINGS, "application_name": name}
    async with connected(server_url, settings, autocommit=True) as server:
        facts = await server_facts(server)
        _require_version(facts, checked)
        await _drop_leftovers(server, log)
        try:
            await _create(server, name, checked.locale, facts)
            url = with_database(server_url, name)
            await _try(url, facts)
            yield url
        finally:
            await _drop_created(server_url, name, log)


def _require_version(server: ServerFacts, checked: ServerFacts) -> None:
    if server.major != checked.major:
        raise TemporaryDatabaseRefused(
            f"The checked database is on PostgreSQL {checked.major}, the temporary one would be on "
            f"PostgreSQL {server.major}. Pass a --scratch-url of the same major version."
        )


async def _create(server: AsyncConnection, name: str, locale: str, facts: ServerFacts) -> None:
    create = f"CREATE DATABASE {name} TEMPLATE template0"
    try:
        try:
            await server.exec_driver_sql(f"{create} {locale}")
        except DBAPIError as error:
            if getattr(error.driver_exception, "sqlstate", "") == INSUFFICIENT_PRIVILEGE:
                raise
            # Another machine may lack the locale. Its name is not compared.
            await server.exec_driver_sql(create)
    except DBAPIError as error:
        raise _refused(f"created ({error.driver_exception})", facts) from error


async def _try(url: str, facts: ServerFacts) -> None:
    """Connect once: a pooler, or pg_hba.conf, may know only some databases."""
    try:
        async with connected(url):
            pass
    except (SQLAlchemyError, OSError) as error:
        raise _refused(f"reached ({type(error).__name__})", facts) from error


def _refused(what: str, facts: ServerFacts) -> TemporaryDatabaseRefused:
    return TemporaryDatabaseRefused(
        f"No temporary database can be {what}. Use `ALTER ROLE {facts.role} CREATEDB`, or pass as "
        f"--scratch-url the URL of any other PostgreSQL {facts.major}."
    )


async def _drop_leftovers(server: AsyncConnection, log: ReportLine) -> None:
    for name in (await server.scalars(text(LEFTOVERS))).all():
        await _drop(server, name, log)


async def _drop_created(server_url: str, name: str, log: ReportLine) -> None:
    """Drop the database on a new connection, because an interruption breaks the first."""
    exists = text("SELECT EXISTS (SELECT FROM pg_database WHERE datname = :name)")
    try:
        async with connected(server_url, SETTINGS, autocommit=True) as server:
            if await server.scalar(exists, {"name": name}):
                await _drop(server, name, log)
    except (SQLAlchemyError, OSError) as error:
        log(f"left the temporary database {name}: {error}")


async def _drop(server: AsyncConnection, name: str, log: ReportLine) -> None:
    try:
        await server.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}")
    except DBAPIError as error:
        log(f"left the temporary database {name}: {error.driver_exception}")
