"""The migrations lead to the tables in the code, forwards and backwards, and lose no row."""

import os
import subprocess
import sys

import pytest
from alembic import command
from alembic.script import ScriptDirectory

from service.relational.metadata import METADATA
from service.stores.embedded import StoreUrls
from service.stores.sql import migrations as migrate
from tests.fixtures.stores import new_database
from tests.sql_migrations.rows import content, fill, lost


@pytest.fixture
def empty_database(engines: StoreUrls, worker_name: str) -> str:
    return new_database(engines.database_url, f"{worker_name}_stairs")


def silent(_step: str) -> None:
    pass


def test_the_database_is_what_the_tables_say(empty_database: str) -> None:
    migrate.apply(empty_database, silent)
    assert migrate.differences(empty_database) is None
    assert migrate.head_of(empty_database) == migrate.expected_head()


def test_every_step_goes_up_and_down_and_up_again_among_the_rows_of_its_time(
    empty_database: str,
) -> None:
    config = migrate.alembic_config(empty_database)
    for step in migrate.pending(None):
        before = content(empty_database)
        for go, target in (
            (command.upgrade, step.revision),
            (command.downgrade, "-1"),
            (command.upgrade, step.revision),
        ):
            go(config, target)
            assert lost(before, content(empty_database)) == [], (step.revision, target)
            fill(empty_database)
    assert {table for table, rows in content(empty_database).items() if rows} >= set(
        METADATA.tables
    )
    assert migrate.differences(empty_database) is None


def test_a_full_database_goes_all_the_way_down_and_up_again(empty_database: str) -> None:
    config = migrate.alembic_config(empty_database)
    command.upgrade(config, "head")
    fill(empty_database)
    full = content(empty_database)
    assert [table for table in METADATA.tables if not full[table]] == [], "tests/…/rows.py fills it"
    for step in migrate.pending(None)[::-1]:
        before, planned = content(empty_database), migrate.last_step(empty_database)
        assert planned is not None
        assert planned.revision == step.revision
        assert planned.sql or planned.says, "an operator is told what happens"
        command.downgrade(config, "-1")
        after = content(empty_database)
        assert lost(before, after) == [], step.revision
        assert planned.rows == {name: len(before[name]) for name in before if name not in after}
    assert migrate.last_step(empty_database) is None
    for step in migrate.pending(None):
        before = content(empty_database)
        command.upgrade(config, step.revision)
        fill(empty_database)
        assert lost(before, content(empty_database)) == [], step.revision
    assert migrate.differences(empty_database) is None


def test_there_is_one_head_and_each_step_has_a_reason() -> None:
    scripts = ScriptDirectory.from_config(migrate.alembic_config())
    assert len(scripts.get_heads()) == 1
    assert all(step.doc.strip() for step in scripts.walk_revisions())


def test_three_runners_at_once_do_it_once(empty_database: str) -> None:
    command_line = [sys.executable, "-m", "service.cli", "migrate", "apply"]
    environment = {**os.environ, "DATABASE_URL": empty_database}
    runners = [
        subprocess.Popen(command_line, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    told = [line for runner in runners for line in runner.communicate()[1].splitlines()]
    assert [runner.returncode for runner in runners] == [0, 0, 0], told
    assert sum("applied" in line for line in told) == len(migrate.pending(None))
