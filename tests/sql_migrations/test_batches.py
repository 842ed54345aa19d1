"""A data migration that is killed, met by others, or written out as SQL."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from threading import Thread

import asyncpg
import pytest
from alembic import command
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from service.stores.embedded import StoreUrls
from service.stores.sql import migrations as migrate
from sql_migrations.batches import Batches
from sql_migrations.post_slugs import NAME_POSTS
from tests.fixtures.stores import connected, recreate
from tests.sql_migrations.posts import AFTER, BEFORE, RULE, old_posts, other, post_id
from tests.sql_migrations.rows import ADA, ask, say

pytestmark = pytest.mark.xdist_group("batches")

MANY = 20_000
STATE = "SELECT id, slug, version FROM posts ORDER BY title, id"
TO_DO = f"SELECT count(*) FROM posts WHERE NOT {RULE}"


def start(url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "service.cli", "migrate", "apply"],
        env={**os.environ, "DATABASE_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def many_posts(engines: StoreUrls, worker_name: str) -> str:
    """The name of a database with 20,000 posts to do, to be copied."""
    name = f"{worker_name}_many"
    old_posts(engines.database_url, name, MANY)
    return name


@pytest.fixture
def interrupted(engines: StoreUrls, many_posts: str) -> str:
    return copy(engines, many_posts, "interrupted")


def copy(engines: StoreUrls, name: str, end: str) -> str:
    """A copy of the database, made anew."""

    async def run() -> None:
        async with connected(engines.database_url) as connection:
            await recreate(connection, f"{name}_{end}", template=name)

    asyncio.run(run())
    return f"{engines.database_url.rpartition('/')[0]}/{name}_{end}"


@pytest.fixture(scope="module")
def undisturbed(engines: StoreUrls, many_posts: str) -> list[asyncpg.Record]:
    """What a run that nobody interrupts makes of the posts."""
    url = copy(engines, many_posts, "undisturbed")
    migrate.apply(url, lambda _line: None)
    return ask(url, STATE)


@pytest.mark.parametrize("how", ["process", "connection"])
def test_killed_in_the_middle_it_goes_on_where_it_stood(
    interrupted: str, undisturbed: list[asyncpg.Record], how: str
) -> None:
    with other(interrupted) as somebody:
        somebody.does("BEGIN")
        somebody.does(f"SELECT id FROM posts WHERE id = '{post_id(9_500)}' FOR UPDATE")
        runner = start(interrupted)
        pid = somebody.until_somebody_waits()
        assert somebody.does(TO_DO) == MANY - 9_000, "batches of 1,000 stay, one by one"
        for free in (1, MANY):  # neither those that are done nor those to come are locked
            say(
                interrupted,
                "SET LOCAL lock_timeout = 1",
                f"UPDATE posts SET views = views + 1 WHERE id = '{post_id(free)}'",
            )
        if how == "process":
            runner.kill()
        else:
            somebody.does(f"SELECT pg_terminate_backend({pid})")
        said = runner.communicate(timeout=30)[1]
        somebody.does("ROLLBACK")
    assert runner.returncode == (-9 if how == "process" else 5)
    if how == "connection":
        assert "stopped at 202611211500" in said
        assert "Run it again" in said
        assert "terminating connection due to administrator command" in said
        assert "Traceback" not in said
    assert migrate.head_of(interrupted) == BEFORE

    again = start(interrupted)
    said = again.communicate(timeout=60)[1]
    assert again.returncode == 0, said
    done = re.search(r"applied 202611211500 \(1 of \d+, .* s, ([\d,]+) rows\)", said)
    assert done is not None, said
    # A batch that waited in the server when its client was killed may still be done there.
    assert done[1] in ("11,000", "10,000")
    assert ask(interrupted, STATE) == undisturbed
    assert migrate.differences(interrupted) is None


def test_each_post_has_a_slug_of_its_title_and_is_another_version(
    undisturbed: list[asyncpg.Record],
) -> None:
    assert len(undisturbed) == MANY + 10
    slugs = [row["slug"] for row in undisturbed]
    assert all(re.fullmatch(r"groesse-\d+|grosse-\d+(-[0-9a-f]{12})?", slug) for slug in slugs)
    plain = [slug for slug in slugs if re.fullmatch(r"grosse-\d+", slug)]
    assert len(plain) == 700, "the first of each title has it plainly"
    versions = {(row["slug"].startswith("groesse"), row["version"]) for row in undisturbed}
    assert versions == {(True, 1), (False, 2)}, "what followed the rule is left alone"


@pytest.fixture
def some_posts(engines: StoreUrls, worker_name: str) -> str:
    return old_posts(engines.database_url, f"{worker_name}_some", 600)


async def walk(url: str, batches: Batches, together: asyncio.Barrier | None = None) -> int:
    """What a runner does who holds no lock: the rows it has done."""
    engine = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")

    def rows(connection: Connection) -> int:
        return sum(batches.walk(connection))

    async with engine.connect() as connection:
        if together is not None:
            await together.wait()
        return await connection.run_sync(rows)


def test_two_at_once_change_each_post_once(some_posts: str) -> None:
    small = replace(NAME_POSTS, size=7)

    async def both() -> list[int]:
        start = asyncio.Barrier(2)
        return await asyncio.gather(*(walk(some_posts, small, start) for _ in range(2)))

    done = asyncio.run(both())
    assert sum(done) == 600
    assert all(done), "both had a share"
    changed = ask(some_posts, "SELECT version, count(*) FROM posts GROUP BY version ORDER BY 1")
    assert [tuple(row) for row in changed] == [(1, 10), (2, 600)]
    assert ask(some_posts, TO_DO)[0][0] == 0


@pytest.fixture
def in_a_thread(some_posts: str) -> Iterator[Thread]:
    """A runner that somebody can stand in the way of."""
    thread = Thread(target=lambda: asyncio.run(walk(some_posts, NAME_POSTS)))
    yield thread
    thread.join()


def test_a_slug_that_is_taken_meanwhile_is_left_to_who_has_it(
    some_posts: str, in_a_thread: Thread
) -> None:
    taken = post_id(999_999)
    with other(some_posts) as somebody:
        somebody.does("BEGIN")
        somebody.does(
            "INSERT INTO posts (id, author_id, title, slug, content)"
            f" VALUES ('{taken}', '{ADA}', 'Mine', 'grosse-5', '')"
        )
        in_a_thread.start()
        somebody.until_somebody_waits()
        somebody.does("COMMIT")
    in_a_thread.join()
    assert ask(some_posts, TO_DO)[0][0] == 0
    slugs = {str(row["id"]): row["slug"] for row in ask(some_posts, STATE)}
    assert slugs[taken] == "grosse-5"
    assert re.fullmatch(r"grosse-5-[0-9a-f]{12}", slugs[post_id(5)])
    assert slugs[post_id(6)] == "grosse-6"


def test_what_cannot_be_done_is_said_and_not_tried_for_ever(some_posts: str) -> None:
    same = replace(NAME_POSTS, change="UPDATE posts SET slug = 'same' FROM batch")
    with pytest.raises(Exception, match="uq_posts_slug"):
        asyncio.run(walk(some_posts, same))


def test_as_sql_it_is_one_statement_that_does_the_same(
    some_posts: str, engines: StoreUrls, worker_name: str
) -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "service.cli", "migrate", "apply", "--sql"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    _, _, rest = printed.partition(f"-- Running upgrade {BEFORE} ->")
    assert "1,000 rows at a time" in rest
    mine, _, _ = rest.partition(f"-- Running upgrade {AFTER} ->")
    by_hand = mine.partition("\n")[2].replace("COMMIT;", "").replace("BEGIN;", "")
    say(some_posts, by_hand)
    online = old_posts(engines.database_url, f"{worker_name}_online", 600)
    migrate.apply(online, lambda _line: None)
    kept = STATE.replace("FROM posts", "FROM posts WHERE title <> 'Kept'")
    assert ask(some_posts, kept) == ask(online, kept)
    assert migrate.head_of(some_posts) == AFTER


def test_a_post_that_slips_in_before_the_guard_stops_nothing(some_posts: str) -> None:
    config = migrate.alembic_config(some_posts)
    command.upgrade(config, "202611211500")
    insert = "INSERT INTO posts (id, author_id, title, slug, content) VALUES"
    say(some_posts, f"{insert} ('{post_id(1_000)}', '{ADA}', 'By hand', 'By hand', '')")
    command.upgrade(config, "head")
    found = ask(some_posts, f"SELECT slug FROM posts WHERE id = '{post_id(1_000)}'")
    assert [row["slug"] for row in found] == ["by-hand"]
    with pytest.raises(asyncpg.CheckViolationError, match="ck_posts_slug"):
        say(some_posts, f"{insert} ('{post_id(1_001)}', '{ADA}', 'By hand', 'By hand', '')")
