"""``polystore migrate``. Its progress is tested in tests/sql_migrations."""

import json

from service.stores.embedded import StoreUrls
from service.stores.sql import migrations
from tests.fixtures.cli import run_cli
from tests.fixtures.stores import new_database


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
