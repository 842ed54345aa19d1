"""The advisory lock of a run, and a connection that a caller shares between runs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread

import pytest
from alembic import command
from alembic.util.exc import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import ProgrammingError

from service.stores.embedded import RUNNING_FILE, StoreUrls
from service.stores.embedded.data_dir import locked
from service.stores.sql import migrations as migrate
from tests.sql_migrations.conftest import OldPosts
from tests.sql_migrations.old_posts import second_client
from tests.sql_migrations.one_connection import one_connection

LOCK = 7_061_646_573


def run_alembic(*arguments: str, data_dir: Path) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if "DATABASE_URL" not in name}
    return subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=Path(__file__).parents[2],
        env={**kept, "POLYSTORE_DATA_DIR": str(data_dir)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_alembic_without_url_uses_the_running_service(empty_database: str, tmp_path: Path) -> None:
    refused = run_alembic("current", data_dir=tmp_path)
    assert (refused.returncode, "run `make serve`" in refused.stderr) == (1, True), refused.stderr
    migrate.apply(empty_database, lambda _line: None)
    with locked(tmp_path) as folder:
        urls = StoreUrls(empty_database, "mongodb://127.0.0.1/")
        (folder / RUNNING_FILE).write_text(json.dumps(urls._asdict()), "utf-8")
        shown = run_alembic("current", data_dir=tmp_path)
    assert shown.stdout == f"{migrate.expected_head()} (head)\n", shown.stderr


def test_apply_waits_for_the_lock_of_another_runner(empty_database: str) -> None:
    lines: list[str] = []
    waiting = Event()

    def log(line: str) -> None:
        lines.append(line)
        waiting.set()

    runner = Thread(target=lambda: migrate.apply(empty_database, log))
    with second_client(empty_database) as other:
        other.execute(f"SELECT pg_advisory_lock({LOCK})")
        runner.start()
        assert waiting.wait(60)
        assert lines == ["another runner is at work; waiting for it"]
        assert migrate.head_of(empty_database) is None
    runner.join()
    assert migrate.head_of(empty_database) == migrate.expected_head()


def test_shared_connection_failed_migration_keeps_the_finished_ones(old_posts: OldPosts) -> None:
    url = old_posts("shared", 3)
    with one_connection(url) as database:
        database.execute("ALTER TABLE posts ADD CONSTRAINT ck_posts_slug CHECK (views >= 0)")
        with pytest.raises(ProgrammingError, match="ck_posts_slug"):
            database.upgrade("head")
        database.execute("ALTER TABLE posts DROP CONSTRAINT ck_posts_slug")
        assert migrate.head_of(url) == "202611211500"
        database.upgrade("head")
    assert migrate.head_of(url) == migrate.expected_head()


def test_shared_connection_in_a_transaction_is_refused(empty_database: str) -> None:
    def upgrade(connection: Connection) -> None:
        with connection.begin():
            command.upgrade(migrate.alembic_config(connection=connection), "head")

    with one_connection(empty_database) as database:
        with pytest.raises(CommandError, match="is in a transaction"):
            database.run(upgrade)
        assert database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []
