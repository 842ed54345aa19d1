"""Connections of the comparison, and the facts of a server that matter to it."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import NullPool

from service.stores.sql.connect import create_engine

CONNECT_SECONDS, COMMAND_SECONDS = 5.0, 60.0
# The columns of pg_database differ between versions of PostgreSQL.
FACTS = """
SELECT to_jsonb(d)::text, pg_encoding_to_char(encoding)::text,
    current_setting('server_version_num')::int / 10000, quote_ident(current_user)
FROM pg_database d WHERE datname = current_database()
"""


class ServerFacts(NamedTuple):
    """A server's major version, the connected role, and the locale of the database."""

    major: int
    role: str  # quoted as SQL needs it
    locale: str  # options of CREATE DATABASE


@asynccontextmanager
async def connected(
    url: str, settings: Mapping[str, str] | None = None, *, autocommit: bool = False
) -> AsyncIterator[AsyncConnection]:
    """Open a connection of its own to the database at ``url``, with settings of the server."""
    engine = create_engine(
        url,
        connect_seconds=CONNECT_SECONDS,
        command_seconds=COMMAND_SECONDS,
        server_settings=settings,
        prepared_statements=0,  # DDL invalidates them
        poolclass=NullPool,
    )
    if autocommit:
        engine = engine.execution_options(isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


async def server_facts(connection: AsyncConnection) -> ServerFacts:
    """Return the facts of the connected database and its server."""
    database, encoding, major, role = (await connection.execute(text(FACTS))).one()
    return ServerFacts(major, role, _locale(json.loads(database), encoding))


def _locale(database: Mapping[str, str | None], encoding: str) -> str:
    values = {
        "ENCODING": encoding,
        "LC_COLLATE": database["datcollate"],
        "LC_CTYPE": database["datctype"],
    }
    locale = database.get("datlocale") or database.get("daticulocale")
    match database.get("datlocprovider"):
        case "i":
            values |= {"LOCALE_PROVIDER": "icu", "ICU_LOCALE": locale}
            values |= {"ICU_RULES": database.get("daticurules")}
        case "b":
            values |= {"LOCALE_PROVIDER": "builtin", "BUILTIN_LOCALE": locale}
        case "c":
            values |= {"LOCALE_PROVIDER": "libc"}
    return " ".join(f"{name} '{_quoted(value)}'" for name, value in values.items() if value)


def _quoted(value: str) -> str:
    return value.replace("'", "''")
