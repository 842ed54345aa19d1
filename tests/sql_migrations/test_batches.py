"""A data migration that is killed, meets other clients, or is printed as SQL."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from io import StringIO
from threading import Thread

import asyncpg
import pytest
from alembic import command
from alembic.operations import Operations
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from service.stores.sql import migrations as migrate
from sql_migrations.batches import Batches
from sql_migrations.post_slugs import NAME_POSTS
from tests.fixtures.cli import run_cli
from tests.sql_migrations.conftest import OldPosts
from tests.sql_migrations.old_posts import (
    AFTER,
    BEFORE,
    RULE,
    SecondClient,
    copy_database,
    post_id,
    second_client,
)
from tests.sql_migrations.rows import ADA, execute, fetch
from tests.sql_migrations.table_differences import table_differences

pytestmark = pytest.mark.xdist_group("batches")

POSTS = 4_500
SELECT_SLUGS = "SELECT id, slug, version FROM posts ORDER BY title, id"
COUNT_OLD = f"SELECT count(*) FROM posts WHERE NOT {RULE}"
CLI_APPLY = [sys.executable, "-m", "service.cli", "migrate", "apply"]


@pytest.fixture(scope="module")
def many_posts(old_posts: OldPosts) -> str:
    """The URL of a database with 4,500 old posts, to be copied."""
    return old_posts("many", POSTS)


@pytest.fixture
def interrupted(many_posts: str) -> str:
    return copy_database(many_posts, many_posts.rpartition("/")[2] + "_interrupted")


@pytest.fixture(scope="module")
def expected_slugs(many_posts: str) -> list[asyncpg.Record]:
    """The posts after an uninterrupted run."""
    url = copy_database(many_posts, many_posts.rpartition("/")[2] + "_undisturbed")
    migrate.apply(url, lambda _line: None)
    return fetch(url, SELECT_SLUGS)


def test_batches_process_killed_in_the_middle_continue_where_they_stopped(
    interrupted: str, expected_slugs: list[asyncpg.Record]
) -> None:
    with blocked_batches(interrupted) as blocker:
        runner = subprocess.Popen(CLI_APPLY, env={**os.environ, "DATABASE_URL": interrupted})
        blocker.wait_for_blocked()
        assert blocker.execute(COUNT_OLD) == POSTS - 2_000, "batches of 1,000 stay, one by one"
        for unlocked in (1, POSTS):  # neither finished rows nor later ones are locked
            execute(
                interrupted,
                "SET LOCAL lock_timeout = 1",
                f"UPDATE posts SET views = views + 1 WHERE id = '{post_id(unlocked)}'",
            )
        runner.kill()
        assert runner.wait(60) == -9
    assert_the_rest_is_applied(interrupted, expected_slugs)


def test_batches_connection_lost_continue_where_they_stopped(
    interrupted: str, expected_slugs: list[asyncpg.Record]
) -> None:
    with ThreadPoolExecutor(1) as pool, blocked_batches(interrupted) as blocker:
        running = pool.submit(run_cli, "migrate", "apply", DATABASE_URL=interrupted)
        blocker.execute(f"SELECT pg_terminate_backend({blocker.wait_for_blocked()})")
        result = running.result(60)
    assert result.exit_code == 5
    assert "stopped at 202611211500" in result.stderr
    assert "Run it again" in result.stderr
    assert "terminating connection due to administrator command" in result.stderr
    assert "Traceback" not in result.stderr
    assert_the_rest_is_applied(interrupted, expected_slugs)


@contextmanager
def blocked_batches(url: str) -> Iterator[SecondClient]:
    """A client that blocks the third batch; it rolls back at the end."""
    with second_client(url) as blocker:
        blocker.execute("BEGIN")
        blocker.execute(f"SELECT id FROM posts WHERE id = '{post_id(2_500)}' FOR UPDATE")
        yield blocker
        blocker.execute("ROLLBACK")


def assert_the_rest_is_applied(url: str, expected_slugs: list[asyncpg.Record]) -> None:
    assert migrate.head_of(url) == BEFORE
    applied = migrate.apply(url, lambda _line: None)
    # A batch that waited in the server when its client was killed may still be committed there.
    assert (applied[0].revision, applied[0].rows) in [
        ("202611211500", 2_500),
        ("202611211500", 1_500),
    ]
    assert fetch(url, SELECT_SLUGS) == expected_slugs
    assert table_differences(url) is None


def test_batches_give_each_post_a_slug_of_its_title_and_a_new_version(
    expected_slugs: list[asyncpg.Record],
) -> None:
    assert len(expected_slugs) == POSTS + 10
    slugs = [row["slug"] for row in expected_slugs]
    assert all(re.fullmatch(r"groesse-\d+|grosse-\d+(-[0-9a-f]{12})?", slug) for slug in slugs)
    plain = [slug for slug in slugs if re.fullmatch(r"grosse-\d+", slug)]
    assert len(plain) == 700, "the first post of each title has no suffix"
    versions = {(row["slug"].startswith("groesse"), row["version"]) for row in expected_slugs}
    assert versions == {(True, 1), (False, 2)}, "posts that followed the rule are unchanged"


@pytest.fixture
def some_posts(old_posts: OldPosts) -> str:
    return old_posts("some", 600)


async def run_batches(url: str, batches: Batches, start: asyncio.Barrier | None = None) -> int:
    """Run without the advisory lock; return the number of changed rows."""
    engine = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")

    def rows(connection: Connection) -> int:
        return sum(batches.run_batches(connection))

    async with engine.connect() as connection:
        if start is not None:
            await start.wait()
        return await connection.run_sync(rows)


def test_batches_two_runners_at_once_change_each_post_once(some_posts: str) -> None:
    small = replace(NAME_POSTS, size=7)

    async def run_two() -> list[int]:
        start = asyncio.Barrier(2)
        return await asyncio.gather(*(run_batches(some_posts, small, start) for _ in range(2)))

    rows = asyncio.run(run_two())
    assert sum(rows) == 600
    assert all(rows), "both runners changed posts"
    versions = fetch(some_posts, "SELECT version, count(*) FROM posts GROUP BY version ORDER BY 1")
    assert [tuple(row) for row in versions] == [(1, 10), (2, 600)]
    assert fetch(some_posts, COUNT_OLD)[0][0] == 0


@pytest.fixture
def runner_thread(some_posts: str) -> Iterator[Thread]:
    """A runner that the test can block."""
    thread = Thread(target=lambda: asyncio.run(run_batches(some_posts, NAME_POSTS)))
    yield thread
    thread.join()


def test_batches_slug_taken_meanwhile_stays_with_the_other_post(
    some_posts: str, runner_thread: Thread
) -> None:
    other_post = post_id(999_999)
    with second_client(some_posts) as other:
        other.execute("BEGIN")
        other.execute(
            "INSERT INTO posts (id, author_id, title, slug, content)"
            f" VALUES ('{other_post}', '{ADA}', 'Mine', 'grosse-5', '')"
        )
        runner_thread.start()
        other.wait_for_blocked()
        other.execute("COMMIT")
    runner_thread.join()
    assert fetch(some_posts, COUNT_OLD)[0][0] == 0
    slugs = {str(row["id"]): row["slug"] for row in fetch(some_posts, SELECT_SLUGS)}
    assert slugs[other_post] == "grosse-5"
    assert re.fullmatch(r"grosse-5-[0-9a-f]{12}", slugs[post_id(5)])
    assert slugs[post_id(6)] == "grosse-6"


def test_batches_impossible_change_raises_after_its_attempts(some_posts: str) -> None:
    same = replace(NAME_POSTS, change="UPDATE posts SET slug = 'same' FROM batch")
    with pytest.raises(Exception, match="uq_posts_slug"):
        asyncio.run(run_batches(some_posts, same))


def test_batches_as_sql_are_one_statement_with_the_same_result(
    some_posts: str, old_posts: OldPosts, capsys: pytest.CaptureFixture[str]
) -> None:
    migrate.print_sql(None)
    _, _, rest = capsys.readouterr().out.partition(f"-- Running upgrade {BEFORE} ->")
    assert "1,000 rows at a time" in rest
    statements, _, _ = rest.partition(f"-- Running upgrade {AFTER} ->")
    by_hand = statements.partition("\n")[2].replace("COMMIT;", "").replace("BEGIN;", "")
    execute(some_posts, by_hand)
    online = old_posts("online", 600)
    migrate.apply(online, lambda _line: None)
    old_slugs = SELECT_SLUGS.replace("FROM posts", "FROM posts WHERE title <> 'Kept'")
    assert fetch(some_posts, old_slugs) == fetch(online, old_slugs)
    assert migrate.head_of(some_posts) == AFTER


@pytest.mark.parametrize("value", ["'none'", "'none-' || :attempt"])
def test_batches_as_sql_need_no_attempt(value: str) -> None:
    change = f"UPDATE tags SET name = {value} FROM batch WHERE tags.id = batch.id"
    batches, printed = Batches("tags", "name = ''", "id", change), StringIO()
    config = migrate.alembic_config()
    script = ScriptDirectory.from_config(config)
    with EnvironmentContext(config, script, as_sql=True) as environment:
        environment.configure(dialect_name="postgresql", literal_binds=True, output_buffer=printed)
        with Operations.context(environment.get_context()):
            batches.run()
    expected = value.replace(":attempt", "'1'")
    assert f"SET name = {expected} FROM" in printed.getvalue()


def test_batches_run_again_for_posts_inserted_before_the_constraint(some_posts: str) -> None:
    config = migrate.alembic_config(some_posts)
    command.upgrade(config, "202611211500")
    insert = "INSERT INTO posts (id, author_id, title, slug, content) VALUES"
    execute(some_posts, f"{insert} ('{post_id(1_000)}', '{ADA}', 'By hand', 'By hand', '')")
    command.upgrade(config, "head")
    posts = fetch(some_posts, f"SELECT slug FROM posts WHERE id = '{post_id(1_000)}'")
    assert [row["slug"] for row in posts] == ["by-hand"]
    with pytest.raises(asyncpg.CheckViolationError, match="ck_posts_slug"):
        execute(some_posts, f"{insert} ('{post_id(1_001)}', '{ADA}', 'By hand', 'By hand', '')")
