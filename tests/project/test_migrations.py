"""The migrations lead to the tables in the code, upwards and downwards, and lose no row."""

import subprocess
import sys

import pytest
from alembic.script import ScriptDirectory

from service.relational.metadata import METADATA
from service.stores.embedded import StoreUrls
from service.stores.sql import migrations as migrate
from tests.fixtures.stores import new_database
from tests.sql_migrations.one_connection import one_connection
from tests.sql_migrations.rows import all_rows, changed_rows, fill_empty_tables


@pytest.fixture
def empty_database(engines: StoreUrls, worker_name: str) -> str:
    return new_database(engines.database_url, f"{worker_name}_stairs")


def test_migrated_database_equals_the_tables_in_the_code(empty_database: str) -> None:
    migrate.apply(empty_database, lambda _line: None)
    assert migrate.differences(empty_database) is None
    assert migrate.head_of(empty_database) == migrate.expected_head()


def test_each_migration_up_down_up_keeps_all_rows(empty_database: str) -> None:
    with one_connection(empty_database) as database:
        for step in migrate.pending(None):
            before = all_rows(database)
            for run, target in (
                (database.upgrade, step.revision),
                (database.downgrade, "-1"),
                (database.upgrade, step.revision),
            ):
                run(target)
                assert changed_rows(before, all_rows(database)) == [], (step.revision, target)
                fill_empty_tables(database)
        filled = {table for table, rows in all_rows(database).items() if rows}
    assert filled >= set(METADATA.tables)
    assert migrate.differences(empty_database) is None


def test_full_database_all_the_way_down_and_up_keeps_its_rows(empty_database: str) -> None:
    with one_connection(empty_database) as database:
        database.upgrade("head")
        fill_empty_tables(database)
        full = all_rows(database)
        assert [table for table in METADATA.tables if not full[table]] == [], "see ROWS in rows.py"
        for step in migrate.pending(None)[::-1]:
            before, planned = all_rows(database), migrate.plan_down(empty_database)
            assert planned is not None
            assert planned.revision == step.revision
            assert planned.sql or planned.note, "an operator reads what will happen"
            database.downgrade()
            after = all_rows(database)
            assert changed_rows(before, after) == [], step.revision
            assert planned.rows == {name: len(before[name]) for name in before if name not in after}
        assert migrate.plan_down(empty_database) is None
        for step in migrate.pending(None):
            before = all_rows(database)
            database.upgrade(step.revision)
            fill_empty_tables(database)
            assert changed_rows(before, all_rows(database)) == [], step.revision
    assert migrate.differences(empty_database) is None


def test_migrations_have_one_head_and_a_reason_each() -> None:
    scripts = ScriptDirectory.from_config(migrate.alembic_config())
    assert len(scripts.get_heads()) == 1
    assert all(step.doc.strip() for step in scripts.walk_revisions())


def test_three_runners_at_once_apply_each_migration_once(empty_database: str) -> None:
    apply = "import sys; from service.stores.sql.migrations import apply; apply(sys.argv[1], print)"
    command_line = [sys.executable, "-c", apply, empty_database]
    runners = [
        subprocess.Popen(command_line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    outputs = [runner.communicate() for runner in runners]
    assert [runner.returncode for runner in runners] == [0, 0, 0], outputs
    lines = [line for output, _ in outputs for line in output.splitlines()]
    assert sum("applied" in line for line in lines) == len(migrate.pending(None))
