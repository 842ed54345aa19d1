"""``polystore migrate``. Its progress is tested in tests/sql_migrations."""

import asyncio
import json
from typing import Any

import pytest
from pymongo import MongoClient

from mongo_indexes.apply import apply_all
from service.stores.embedded import StoreUrls
from service.stores.sql import migrations
from tests.fixtures.cli import run_cli
from tests.fixtures.stores import connected, new_database
from tests.sql_migrations.one_connection import one_connection

PASSWORD = "f0d2c5e1"


@pytest.fixture(scope="module")
def drifted(engines: StoreUrls, worker_name: str) -> str:
    """The URL of a migrated database with two differences and a table of someone else."""
    url = new_database(engines.database_url, f"{worker_name}_cli_drifted")
    migrations.apply(url, lambda _line: None)
    execute(
        url,
        "DROP INDEX ix_users_age",
        "ALTER TABLE transfers DISABLE TRIGGER transfers_stay",
        "CREATE TABLE notes (id integer PRIMARY KEY)",
    )
    return url


def execute(url: str, *statements: str) -> None:
    async def run() -> None:
        async with connected(url) as connection:
            for statement in statements:
                await connection.execute(statement)

    asyncio.run(run())


def test_migrate_plan_apply_check_and_down_agree(engines: StoreUrls, worker_name: str) -> None:
    url = new_database(engines.database_url, f"{worker_name}_cli")
    plan = json.loads(run_cli("migrate", "plan", "--json", DATABASE_URL=url).stdout)
    assert [step["revision"] for step in plan["pending"]] == [
        step.revision for step in migrations.pending(None)
    ]
    assert run_cli("migrate", "check", DATABASE_URL=url).exit_code == 2
    applied = run_cli("migrate", "apply", DATABASE_URL=url)
    assert applied.exit_code == 0
    assert migrations.expected_head() in applied.stdout
    assert run_cli("migrate", "check", DATABASE_URL=url).exit_code == 0
    assert run_cli("migrate", "down", "--yes", DATABASE_URL=url).exit_code == 0
    behind = run_cli("migrate", "check", DATABASE_URL=url)
    assert behind.exit_code == 2
    assert "The schema is behind: 1 migration pending." in behind.stdout


def test_migrate_down_empty_database_has_nothing_to_revert(
    engines: StoreUrls, worker_name: str
) -> None:
    url = new_database(engines.database_url, f"{worker_name}_cli_empty")
    result = run_cli("migrate", "down", "--yes", DATABASE_URL=url)
    assert (result.exit_code, result.stdout) == (0, "There is nothing to revert.\n")


@pytest.fixture
def database_ahead(engines: StoreUrls, worker_name: str) -> str:
    """A database that a newer release has migrated."""
    url = new_database(engines.database_url, f"{worker_name}_cli_ahead")
    migrations.apply(url, lambda _line: None)
    with one_connection(url) as database:
        database.execute("UPDATE alembic_version SET version_num = '209912311200'")
    return url


@pytest.mark.parametrize("command", ["plan", "apply", "check"])
def test_migrate_schema_ahead_is_one_sentence_and_exit_code_6(
    command: str, database_ahead: str
) -> None:
    result = run_cli("migrate", command, DATABASE_URL=database_ahead)
    assert result.exit_code == 6
    assert "ahead of this release" in result.stdout
    answer = json.loads(run_cli("migrate", command, "--json", DATABASE_URL=database_ahead).stdout)
    assert (answer["status"], answer["head"]) == ("ahead", "209912311200")


def test_doctor_schema_ahead_is_exit_code_6(database_ahead: str, engines: StoreUrls) -> None:
    urls = {"DATABASE_URL": database_ahead, "MONGODB_URL": engines.mongodb_url}
    with MongoClient[dict[str, Any]](engines.mongodb_url) as client:
        apply_all(client["polystore_doctor"])
    result = run_cli("doctor", POLYSTORE_MONGODB_DATABASE="polystore_doctor", **urls)
    assert result.exit_code == 6
    assert "ahead of this release" in result.stdout


def test_migrate_apply_sql_prints_pending_steps_alone(engines: StoreUrls, worker_name: str) -> None:
    url = new_database(engines.database_url, f"{worker_name}_cli_sql")
    whole = run_cli("migrate", "apply", "--sql", DATABASE_URL=url).stdout
    assert "CREATE TABLE users" in whole
    migrations.apply(url, lambda _line: None)
    assert run_cli("migrate", "apply", "--sql", DATABASE_URL=url).stdout == ""
    assert run_cli("migrate", "down", "--yes", DATABASE_URL=url).exit_code == 0
    last = run_cli("migrate", "apply", "--sql", DATABASE_URL=url).stdout
    assert "CREATE TABLE users" not in last
    assert f"SET version_num='{migrations.expected_head()}'" in last


def test_migrate_check_prints_each_difference_with_its_remedy(drifted: str) -> None:
    result = run_cli("migrate", "check", DATABASE_URL=drifted)
    head = migrations.expected_head()
    index = "ix_users_age ON users USING btree (age, created_at, id)"
    assert result.exit_code == 2
    assert result.stdout.splitlines() == [
        f"missing index ix_users_age on users: expected CREATE INDEX {index}",
        f"    CREATE INDEX CONCURRENTLY {index};",
        "disabled trigger transfers_stay on transfers, enabled: expected enabled; found disabled",
        "    ALTER TABLE transfers ENABLE TRIGGER transfers_stay;",
        "not from migrations: table notes (owner polystore)",
        f"2 differences from the schema at {head}. 1 object not from migrations.",
    ]


def test_migrate_check_json_is_one_object(drifted: str) -> None:
    result = json.loads(run_cli("migrate", "check", "--json", DATABASE_URL=drifted).stdout)
    assert (result["status"], result["head"]) == ("differs", migrations.expected_head())
    assert result["head"] == result["expected"]
    assert result["drift"][1] == {
        "kind": "trigger",
        "table": "transfers",
        "name": "transfers_stay",
        "problem": "disabled",
        "property": "enabled",
        "expected": "enabled",
        "actual": "disabled",
        "remedy": ["ALTER TABLE transfers ENABLE TRIGGER transfers_stay"],
    }
    notes = {"kind": "table", "name": "notes", "owner": "polystore", "extension": None}
    assert result["foreign"] == [notes]


def test_doctor_lists_the_differences_and_is_not_ok(drifted: str, engines: StoreUrls) -> None:
    result = run_cli("doctor", DATABASE_URL=drifted, MONGODB_URL=engines.mongodb_url)
    assert result.exit_code == 2
    lines = result.stdout.splitlines()
    assert lines[0].startswith("PostgreSQL  NOT OK")
    first = lines.index("The schema differs; see `polystore migrate check`:") + 1
    assert [line.split(" on ")[0] for line in lines[first : first + 2]] == [
        "  missing index ix_users_age",
        "  disabled trigger transfers_stay",
    ]


@pytest.mark.parametrize("revision", ["nonsense", "head", "202611211602:head"])
def test_migrate_apply_sql_from_unknown_revision_is_refused(revision: str) -> None:
    result = run_cli("migrate", "apply", "--sql", "--from", revision)
    assert (result.exit_code, result.stdout) == (5, "")
    assert revision in result.stderr


def test_migrate_plan_without_the_right_to_read_the_revision_fails(
    engines: StoreUrls, worker_name: str
) -> None:
    """It is not taken for an empty database."""
    url = new_database(engines.database_url, f"{worker_name}_cli_unreadable")
    migrations.apply(url, lambda _line: None)
    with one_connection(url) as database:
        database.execute("REVOKE ALL ON alembic_version FROM CURRENT_USER")
    result = run_cli("migrate", "plan", DATABASE_URL=url)
    assert result.exit_code == 5
    assert "permission denied for table alembic_version" in result.stderr


def test_migrate_check_bad_scratch_url_is_one_sentence(drifted: str) -> None:
    scratch = "postgresql://u:SECR@ET@h/d"
    result = run_cli("migrate", "check", "--scratch-url", scratch, DATABASE_URL=drifted)
    assert result.exit_code == 5
    assert "escaped" in result.stderr
    assert "SECR" not in result.stderr
