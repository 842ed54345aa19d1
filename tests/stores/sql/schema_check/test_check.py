"""A check of a database, and the temporary database that it creates and drops."""

import asyncio
import signal
import subprocess
import sys
import time

import asyncpg
import pytest
from alembic import command
from sqlalchemy import Connection

from service.stores.sql import migrations
from service.stores.sql.schema_check import fresh
from service.stores.sql.schema_check.check import check_schema
from service.stores.sql.schema_check.connection import connected, server_facts
from tests.stores.sql.schema_check.server import CheckedServer

pytestmark = pytest.mark.xdist_group("schema_check")

# A shell that starts the suite with "&" lets it ignore SIGINT, which the process would inherit.
RUN = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from service.stores.sql.schema_check.check import check_schema
check_schema(sys.argv[1])
"""
PATIENCE_SECONDS = 60
LEFTOVER = "polystore_check_0123456789abcdef"


def wait_for_temporary_database(server: CheckedServer, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not server.temporary_databases():
        assert process.poll() is None, "the run ended before it was interrupted"
        assert time.monotonic() < deadline
        time.sleep(0.005)


def wait_for_the_end_of_sessions(server: CheckedServer) -> None:
    sessions = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE 'polystore\\_check%'"
        " OR application_name LIKE 'polystore\\_check%'"
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while server.fetch(sessions) != [0]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_check_migrated_database_has_no_drift_and_nothing_stays(server: CheckedServer) -> None:
    report = check_schema(server.url)
    assert (report.status, report.drift, report.foreign) == ("same", (), ())
    assert report.head == report.expected == migrations.expected_head()
    assert server.temporary_databases() == []


def test_check_database_behind_is_compared_at_its_own_revision(server: CheckedServer) -> None:
    url = server.copy("polystore", "behind")
    command.downgrade(migrations.alembic_config(url), "-4")
    server.execute("behind", "DROP INDEX ix_users_age", "CREATE TABLE other ()")
    report = check_schema(url)
    assert (report.status, [item.name for item in report.drift]) == ("behind", ["ix_users_age"])
    assert [(item.kind, item.name) for item in report.foreign] == [("table", "other")]


def test_check_empty_database_is_behind(server: CheckedServer) -> None:
    report = check_schema(server.copy("template0", "empty"))
    assert (report.head, report.status, report.drift) == (None, "behind", ())


def test_check_unknown_revision_is_ahead_and_not_compared(server: CheckedServer) -> None:
    url = server.copy("polystore", "ahead")
    server.execute("ahead", "UPDATE alembic_version SET version_num = '299901010000'")
    report = check_schema(url)
    assert (report.head, report.status, report.drift) == ("299901010000", "ahead", ())


def test_check_tables_in_another_schema_are_compared(server: CheckedServer) -> None:
    url = server.copy("polystore", "elsewhere")
    server.execute(
        "elsewhere",
        'ALTER SCHEMA public RENAME TO "App 1"',
        'ALTER SCHEMA "App 1" OWNER TO polystore',
        "CREATE SCHEMA public",
        'ALTER ROLE polystore IN DATABASE elsewhere SET search_path = "App 1"',
        'DROP TABLE "App 1".comments',
    )
    report = check_schema(url)
    assert [str(item) for item in report.drift] == ["missing table comments: expected table"]
    assert (report.status, report.foreign) == ("differs", ())


def test_check_failing_migration_leaves_no_database(
    server: CheckedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(connection: Connection, revision: str) -> None:
        connection.exec_driver_sql("SELECT broken")

    monkeypatch.setattr(fresh, "_upgrade", fail)
    with pytest.raises(migrations.MigrationFailed, match="broken"):
        check_schema(server.url)
    assert server.temporary_databases() == []


@pytest.mark.failover
def test_check_interrupted_run_drops_its_database(server: CheckedServer) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUN, server.url], stderr=subprocess.DEVNULL
    ) as process:
        wait_for_temporary_database(server, process)
        process.send_signal(signal.SIGINT)
    assert process.returncode != 0
    assert server.temporary_databases() == []


@pytest.mark.failover
def test_check_after_a_killed_run_drops_its_database(server: CheckedServer) -> None:
    with subprocess.Popen([sys.executable, "-c", RUN, server.url]) as process:
        wait_for_temporary_database(server, process)
        process.kill()
    wait_for_the_end_of_sessions(server)
    assert len(server.temporary_databases()) == 1
    assert check_schema(server.url).status == "same"
    assert server.temporary_databases() == []


async def test_leftovers_in_use_or_of_other_names_stay(server: CheckedServer) -> None:
    other = "polystore_check_of_mine"
    await server.run("postgres", f"CREATE DATABASE {LEFTOVER}", f"CREATE DATABASE {other}")
    at_work = await asyncpg.connect(
        server.superuser_url.replace("+asyncpg", ""),
        server_settings={"application_name": LEFTOVER},
    )
    lines: list[str] = []
    async with connected(server.url) as connection:
        facts = await server_facts(connection)
    async with fresh.temporary_database(server.url, facts, lines.append):
        pass
    names = set(await asyncio.to_thread(server.temporary_databases))
    await at_work.close()
    await server.run("postgres", f"ALTER DATABASE {LEFTOVER} OWNER TO postgres")
    assert (names, lines) == ({LEFTOVER, other}, [])
    await asyncio.to_thread(wait_for_the_end_of_sessions, server)
    async with fresh.temporary_database(server.url, facts, lines.append):
        pass
    assert [f"left the temporary database {LEFTOVER}" in line for line in lines] == [True]
    await server.run("postgres", f"DROP DATABASE {LEFTOVER}", f"DROP DATABASE {other}")


async def test_temporary_database_has_the_locale_of_the_checked_one(
    server: CheckedServer,
) -> None:
    await server.run(
        "postgres",
        "DROP DATABASE IF EXISTS plain_c",
        "CREATE DATABASE plain_c TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C' "
        "ENCODING LATIN1",
    )
    async with connected(server.url_of("plain_c", superuser=True)) as connection:
        wanted = await server_facts(connection)
    async with (
        fresh.temporary_database(server.url, wanted, print) as url,
        connected(url) as connection,
    ):
        assert (await server_facts(connection)).locale == wanted.locale
    assert "LATIN1" in wanted.locale
    assert "libc" in wanted.locale


def test_check_database_out_of_reach_is_refused_and_dropped_later(
    server: CheckedServer,
) -> None:
    server.execute(
        "polystore",
        "CREATE ROLE lonely LOGIN CREATEDB CONNECTION LIMIT 1 PASSWORD 'lonely'",
        "GRANT SELECT ON alembic_version TO lonely",
        "GRANT lonely TO polystore",
    )
    url = f"postgresql+asyncpg://lonely:lonely@{server.url.partition('@')[2]}"
    lines: list[str] = []
    with pytest.raises(fresh.TemporaryDatabaseRefused, match=r"reached .*--scratch-url"):
        check_schema(url, log=lines.append)
    left = server.temporary_databases()
    assert [left[0] in line for line in lines] == [True]
    wait_for_the_end_of_sessions(server)
    assert check_schema(server.url).status == "same"
    assert server.temporary_databases() == []


async def test_check_scratch_server_of_another_version_is_refused(server: CheckedServer) -> None:
    async with connected(server.url) as connection:
        facts = (await server_facts(connection))._replace(major=9)
    with pytest.raises(fresh.TemporaryDatabaseRefused, match=r"on PostgreSQL 9, .* same major"):
        async with fresh.temporary_database(server.url, facts, print):
            pass
