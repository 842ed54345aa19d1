"""``polystore migrate``. Its progress is tested in tests/sql_migrations."""

import json
from typing import Any

import pytest
from pymongo import MongoClient

from mongo_indexes.apply import apply_all
from service.stores.embedded import StoreUrls
from service.stores.sql import migrations
from tests.fixtures.cli import run_cli
from tests.fixtures.stores import new_database
from tests.sql_migrations.one_connection import one_connection


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
    check = json.loads(run_cli("migrate", "check", "--json", DATABASE_URL=url).stdout)
    assert check["difference"] == "the schema is behind"


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
