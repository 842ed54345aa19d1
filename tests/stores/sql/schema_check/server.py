"""Databases in which drift is planted, and what the comparison finds in them."""

import asyncio
from typing import Any, NamedTuple

import asyncpg

from service.stores.sql.schema_check.catalog import read_catalog
from service.stores.sql.schema_check.connection import connected
from service.stores.sql.schema_check.objects import Catalog


class CheckedServer(NamedTuple):
    """The URLs of one server, for the service's role and for the superuser."""

    url: str
    superuser_url: str

    def url_of(self, database: str, *, superuser: bool = False) -> str:
        url = self.superuser_url if superuser else self.url
        return f"{url.rpartition('/')[0]}/{database}"

    def copy(self, template: str, name: str) -> str:
        """Create the database ``name`` as a copy; return its URL."""
        self.execute("postgres", f"DROP DATABASE IF EXISTS {name}")
        self.execute("postgres", f"CREATE DATABASE {name} TEMPLATE {template} OWNER polystore")
        return self.url_of(name)

    def execute(self, database: str, *statements: str, superuser: bool = True) -> None:
        """Execute each statement in its own transaction."""
        asyncio.run(self.run(database, *statements, superuser=superuser))

    async def run(self, database: str, *statements: str, superuser: bool = True) -> None:
        """Do as ``execute``, in a coroutine."""
        url = self.url_of(database, superuser=superuser)
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    def fetch(self, query: str) -> list[Any]:
        """Return the first column of a query's rows."""

        async def fetch() -> list[Any]:
            connection = await asyncpg.connect(self.superuser_url.replace("+asyncpg", ""))
            try:
                return [row[0] for row in await connection.fetch(query)]
            finally:
                await connection.close()

        return asyncio.run(fetch())

    def catalog(self, database: str) -> Catalog:
        async def read() -> Catalog:
            async with connected(self.url_of(database, superuser=True)) as connection:
                return await read_catalog(connection)

        return asyncio.run(read())

    def temporary_databases(self) -> list[str]:
        return self.fetch("SELECT datname FROM pg_database WHERE datname LIKE 'polystore\\_check%'")
