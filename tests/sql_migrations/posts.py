"""Posts as they were before the rule of slugs, and who stands in the way of a migration."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
from alembic import command

from service.stores.sql import migrations as migrate
from tests.fixtures.stores import new_database
from tests.sql_migrations.rows import ADA, ROWS, say

SECONDS_TO_COME = 60.0
BEFORE, AFTER = "202611211402", "202611211502"  # around the steps of the slugs
RULE = "slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'"


def post_id(number: int) -> str:
    """Ids in the order of the numbers."""
    return f"00000000-0000-7000-8000-{number:012d}"


def old_posts(url: str, name: str, count: int) -> str:
    """A database before the rule, with ``count`` posts that break it, and ten that do not."""
    made = new_database(url, name)
    command.upgrade(migrate.alembic_config(made), BEFORE)
    say(
        made,
        ROWS["users"],
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
    return made


class Other:
    """Another client of the database, with a transaction of its own."""

    def __init__(self, runner: asyncio.Runner, connection: Any) -> None:
        self._runner, self._connection = runner, connection

    def does(self, statement: str) -> Any:
        return self._runner.run(self._connection.fetchval(statement))

    def until_somebody_waits(self) -> int:
        """The process id, in the server, of who waits for a lock of ours."""
        question = """
            SELECT pid FROM pg_locks
            WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))
        """
        deadline = time.monotonic() + SECONDS_TO_COME
        while time.monotonic() < deadline:
            found = self.does(question)
            if found is not None:
                return int(found)
        raise AssertionError("nobody came to wait")


@contextmanager
def other(url: str) -> Iterator[Other]:
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(url.replace("+asyncpg", "")))
        try:
            yield Other(runner, connection)
        finally:
            runner.run(connection.close())
