"""Posts from before the rule for slugs, and a second client that blocks a migration."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
from alembic import command

from service.stores.sql import migrations as migrate
from tests.fixtures.stores import connected, new_database, recreate
from tests.sql_migrations.rows import ADA, ROWS, execute

MAX_WAIT_SECONDS = 60.0
POLL_SECONDS = 0.02
BEFORE, AFTER = "202611211402", "202611211502"  # the revisions before and after the slugs' ones
RULE = "slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'"


def post_id(number: int) -> str:
    """Return an id; ids have the order of their numbers."""
    return f"00000000-0000-7000-8000-{number:012d}"


def new_old_database(url: str, name: str) -> str:
    """Create a database at the revision ``BEFORE``, with users; return its URL."""
    created = new_database(url, name)
    command.upgrade(migrate.alembic_config(created), BEFORE)
    execute(created, ROWS["users"])
    return created


def copy_database(url: str, name: str) -> str:
    """Create the database ``name`` as a copy of the one at ``url``; return its URL."""
    server, _, template = url.rpartition("/")

    async def copy() -> None:
        async with connected(f"{server}/postgres") as connection:
            await recreate(connection, name, template=template)

    asyncio.run(copy())
    return f"{server}/{name}"


def insert_old_posts(url: str, count: int) -> None:
    """Insert ``count`` posts that break the rule and ten that follow it."""
    execute(
        url,
        f"""
        INSERT INTO posts (id, author_id, title, slug, content)
        SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, '{ADA}',
               'Größe ' || n % 700, CASE WHEN n % 3 = 0 THEN '-' || n ELSE 'Old Slug_' || n END, 'x'
        FROM generate_series(1, {count}) AS n
        """,
        f"""
        INSERT INTO posts (id, author_id, title, slug, content)
        SELECT gen_random_uuid(), '{ADA}', 'Kept', 'groesse-' || n, 'x'
        FROM generate_series(1, 10) AS n
        """,
    )


class SecondClient:
    """Another client of the database, with its own transaction."""

    def __init__(self, runner: asyncio.Runner, connection: Any) -> None:
        self._runner, self._connection = runner, connection

    def execute(self, statement: str) -> Any:
        """Execute the statement; return the first value of its first row."""
        return self._runner.run(self._connection.fetchval(statement))

    def wait_for_blocked(self) -> int:
        """Wait until another client waits for a lock of this one; return its server process id."""
        query = """
            SELECT pid FROM pg_locks
            WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))
        """
        deadline = time.monotonic() + MAX_WAIT_SECONDS
        while time.monotonic() < deadline:
            pid = self.execute(query)
            if pid is not None:
                return int(pid)
            time.sleep(POLL_SECONDS)
        raise AssertionError("no client waits for a lock of this one")


@contextmanager
def second_client(url: str) -> Iterator[SecondClient]:
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(url.replace("+asyncpg", "")))
        try:
            yield SecondClient(runner, connection)
        finally:
            runner.run(connection.close())
