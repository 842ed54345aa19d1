"""The migrations lead to the tables in the code, upwards and downwards, and lose no row."""

import inspect
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from alembic.script import ScriptDirectory
from alembic.util import pyfiles
from sqlalchemy import CheckConstraint

from service.main import State
from service.relational.metadata import METADATA
from service.stores.embedded import StoreUrls
from service.stores.sql import downgrade
from service.stores.sql import migrations as migrate
from service.stores.sql.schema_check.missing_objects import missing_objects
from sql_migrations.phases import CONTRACT, EXPAND, refuse_while_older_processes_run
from tests.fixtures.stores import new_database
from tests.sql_migrations.one_connection import one_connection
from tests.sql_migrations.rows import all_rows, changed_rows, fetch, fill_empty_tables
from tests.sql_migrations.table_differences import table_differences

ROOT = Path(__file__).parents[2]
VERSIONS = ROOT / "sql_migrations" / "versions"
# Forks, because each process of its own would import for seconds, and not all for as long.
THREE_RUNNERS = """
import os, sys
from service.stores.sql.migrations import apply
runners = []
for _ in range(3):
    if not (runner := os.fork()):
        apply(sys.argv[1], print)
        sys.exit()
    runners.append(runner)
sys.exit(any([os.waitpid(runner, 0)[1] for runner in runners]))
"""


@pytest.fixture(autouse=True)
def migrations_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the modules of migrations, all of which Alembic executes anew for each command."""
    load = pyfiles.load_module_py
    load_once = cache(load)

    def load_module(name: str, path: str) -> ModuleType:
        return (load_once if Path(path).parent == VERSIONS else load)(name, path)

    monkeypatch.setattr(pyfiles, "load_module_py", load_module)


@pytest.fixture
def empty_database(engines: StoreUrls, worker_name: str) -> str:
    return new_database(engines.database_url, f"{worker_name}_stairs")


def test_migrated_database_equals_the_tables_in_the_code(empty_database: str) -> None:
    migrate.apply(empty_database, lambda _line: None)
    assert table_differences(empty_database) is None
    assert migrate.head_of(empty_database) == migrate.expected_head()


async def test_migrated_database_lacks_no_name_of_the_code(state: State) -> None:
    """Also CHECK constraints, which Alembic does not compare."""
    async with state["sql"].engine.connect() as connection:
        assert await missing_objects(connection, METADATA) == ([], [])


def test_each_migration_declares_its_phase() -> None:
    scripts = list(ScriptDirectory.from_config(migrate.alembic_config()).walk_revisions())
    assert {script.module.PHASE for script in scripts} <= {EXPAND, CONTRACT}
    for script in scripts:
        if script.module.PHASE == CONTRACT:
            guard = f"{refuse_while_older_processes_run.__name__}(revision)"
            assert guard in inspect.getsource(script.module.upgrade), script.revision


def test_migrated_database_has_the_checks_of_the_code(empty_database: str) -> None:
    """Alembic compares no CHECK constraints."""
    migrate.apply(empty_database, lambda _line: None)
    in_code = {
        (table.name, str(rule.name))
        for table in METADATA.sorted_tables
        for rule in table.constraints
        if isinstance(rule, CheckConstraint)
    }
    checks = "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'c'"
    in_database = {tuple(row) for row in fetch(empty_database, f"{checks} AND conrelid <> 0")}
    assert in_database == in_code


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
    assert set(METADATA.tables) - filled == set(), "see ROWS in tests/sql_migrations/rows.py"
    assert table_differences(empty_database) is None


def test_full_database_all_the_way_down_and_up_keeps_its_rows(empty_database: str) -> None:
    with one_connection(empty_database) as database:
        database.upgrade("head")
        fill_empty_tables(database)
        full = all_rows(database)
        assert [table for table in METADATA.tables if not full[table]] == []
        for step in migrate.pending(None)[::-1]:
            before, planned = all_rows(database), downgrade.plan_down(empty_database)
            assert planned is not None
            assert planned.revision == step.revision
            assert planned.sql or planned.note, "an operator reads what will happen"
            database.downgrade()
            after = all_rows(database)
            assert changed_rows(before, after) == [], step.revision
            assert planned.rows == {name: len(before[name]) for name in before if name not in after}
        assert downgrade.plan_down(empty_database) is None
        for step in migrate.pending(None):
            before = all_rows(database)
            database.upgrade(step.revision)
            fill_empty_tables(database)
            assert changed_rows(before, all_rows(database)) == [], step.revision
    assert table_differences(empty_database) is None


def test_followed_lists_start_anew_after_a_restore(empty_database: str) -> None:
    """Executes the block of docs/operations.md."""
    docs = (ROOT / "docs" / "operations.md").read_text()
    (renumber,) = re.findall(r"```sql\n(DO .*?);\n```", docs, re.DOTALL)
    followed = {name for name, table in METADATA.tables.items() if "created_xid" in table.c}
    with one_connection(empty_database) as database:
        database.upgrade("202611271300")
        fill_empty_tables(database)
        files = "SELECT relname, relfilenode FROM pg_class WHERE relkind = 'r' ORDER BY 1"
        before = database.fetch(files)
        database.upgrade("202611271400")
        assert database.fetch(files) == before, "the migration rewrites a table"
        database.upgrade("head")
        database.execute("UPDATE users SET created_xid = '9000000000'")  # as of another cluster
        database.execute(*re.split(r";\n(?=CREATE)", renumber))
        stored = all_rows(database)
        assert {row["created_xid"] for table in followed for row in stored[table]} == {"0"}
        database.execute("""
            INSERT INTO products (id, sku, name, price, currency)
            VALUES (gen_random_uuid(), 's', 'x', 1, 'EUR')
        """)
        assert {row["created_xid"] > "0" for row in all_rows(database)["products"]} == {False, True}
    assert len(followed) == 6
    assert table_differences(empty_database) is None


def test_migrations_have_one_head_and_a_reason_each() -> None:
    scripts = ScriptDirectory.from_config(migrate.alembic_config())
    assert len(scripts.get_heads()) == 1
    assert all(step.doc.strip() for step in scripts.walk_revisions())


def test_three_runners_at_once_apply_each_migration_once(empty_database: str) -> None:
    runners = subprocess.run(
        [sys.executable, "-c", THREE_RUNNERS, empty_database],
        capture_output=True,
        text=True,
        check=False,
    )
    assert runners.returncode == 0, runners.stderr
    assert runners.stdout.count("applied") == len(migrate.pending(None))
