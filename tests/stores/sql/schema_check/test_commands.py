"""``migrate check`` and ``doctor`` for a role that may not create databases."""

import pytest

from service.cli.doctor import as_lines, examine
from service.stores.embedded import StoreUrls
from tests.fixtures.cli import run_cli
from tests.stores.sql.schema_check.server import CheckedServer

pytestmark = pytest.mark.xdist_group("schema_check")


@pytest.fixture(scope="module")
def readers_url(server: CheckedServer) -> str:
    server.execute(
        "polystore",
        "CREATE ROLE auditor LOGIN PASSWORD 'auditor'",
        "GRANT pg_read_all_data TO auditor",
    )
    return f"postgresql+asyncpg://auditor:auditor@{server.url.partition('@')[2]}"


def test_migrate_check_without_createdb_fails_and_names_the_remedy(readers_url: str) -> None:
    result = run_cli("migrate", "check", DATABASE_URL=readers_url)
    assert (result.exit_code, result.stdout) == (5, "")
    assert "`ALTER ROLE auditor CREATEDB`" in result.stderr
    assert "--scratch-url" in result.stderr


def test_migrate_check_scratch_url_needs_no_driver_and_no_createdb(
    server: CheckedServer, readers_url: str
) -> None:
    scratch = server.url.replace("+asyncpg", "")
    result = run_cli("migrate", "check", "--scratch-url", scratch, DATABASE_URL=readers_url)
    assert (result.exit_code, result.stdout) == (0, "The database matches its migrations.\n")


def test_doctor_without_createdb_leaves_the_comparison_out(
    readers_url: str, engines: StoreUrls
) -> None:
    result = examine(StoreUrls(readers_url, engines.mongodb_url), "polystore_schema_check")
    assert (result["postgresql"]["ok"], result["postgresql"]["drift"]) == (True, [])
    assert "ALTER ROLE auditor CREATEDB" in result["postgresql"]["not_compared"]
    assert [line for line in as_lines(result) if "The schema was not compared" in line]
