"""Contract migrations wait until the processes of older releases have ended."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

import sql_migrations
from service.settings import Settings
from service.stores.sql import migrations
from service.stores.sql.engine import open_sql
from service.stores.sql.processes import registered
from tests.sql_migrations.one_connection import one_connection

CONTRACT = """\
'''Remove what the release before uses.'''
from alembic import op
from sql_migrations.phases import refuse_while_older_processes_run
revision = "203001011201"
down_revision = "203001011200"
branch_labels = depends_on = None
PHASE = "contract"
def upgrade():
    refuse_while_older_processes_run(revision)
    op.execute("DROP TABLE comments")
def downgrade():
    pass
"""
EXPAND = """\
'''Add what the next release uses.'''
from alembic import op
revision = "203001011200"
down_revision = "{head}"
branch_labels = depends_on = None
PHASE = "expand"
def upgrade():
    op.execute("CREATE TABLE remarks ()")
def downgrade():
    op.execute("DROP TABLE remarks")
"""
EXPANDED, CONTRACTED = "203001011200", "203001011201"


@pytest.fixture
def old_head() -> str:
    return migrations.expected_head()


@pytest.fixture
def migrated_database(empty_database: str, old_head: str) -> str:
    migrations.apply(empty_database, lambda _line: None)
    return empty_database


@pytest.fixture
def next_release(
    migrated_database: str, old_head: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The code of the next release, with one step of each phase."""
    folder = tmp_path / "sql_migrations"
    shutil.copytree(Path(sql_migrations.__file__).parent, folder)
    (folder / "versions" / "2030_expand.py").write_text(EXPAND.format(head=old_head))
    (folder / "versions" / "2030_contract.py").write_text(CONTRACT)
    monkeypatch.setattr(sql_migrations, "__file__", str(folder / "__init__.py"))
    _forget_revisions()
    yield
    monkeypatch.undo()
    _forget_revisions()


def _forget_revisions() -> None:
    migrations._phases.cache_clear()


def register(url: str, head: str, *, seconds_ago: int = 0) -> None:
    """Register a process that ends without notice."""
    with one_connection(url) as database:
        database.execute(
            "INSERT INTO service_processes (id, host, pid, schema_head, reported_at)"
            f" VALUES (gen_random_uuid(), 'old-host', 7, '{head}',"
            f" now() - interval '{seconds_ago} s')"
        )


@pytest.mark.usefixtures("next_release")
def test_contract_step_refuses_while_an_older_process_runs(
    migrated_database: str, old_head: str
) -> None:
    register(migrated_database, old_head)
    with pytest.raises(migrations.MigrationRefused, match="old-host process 7"):
        migrations.apply(migrated_database, lambda _line: None)
    assert migrations.head_of(migrated_database) == EXPANDED
    assert migrations.state_of(EXPANDED) is migrations.SchemaState.CONTRACT_PENDING
    with one_connection(migrated_database) as database:
        assert [*database.fetch("SELECT count(*) FROM comments")[0]] == [0]


@pytest.mark.usefixtures("next_release")
@pytest.mark.parametrize(
    ("head", "seconds_ago"), [(CONTRACTED, 0), ("209912311200", 0), (None, 61)]
)
def test_contract_step_is_applied_when_no_older_process_is_left(
    head: str | None, seconds_ago: int, migrated_database: str, old_head: str
) -> None:
    """Processes of this release and of newer ones, and one that was killed, do not hinder it."""
    register(migrated_database, head or old_head, seconds_ago=seconds_ago)
    migrations.apply(migrated_database, lambda _line: None)
    assert migrations.head_of(migrated_database) == CONTRACTED


@pytest.mark.usefixtures("next_release")
def test_state_of_before_the_expand_step_is_behind(old_head: str) -> None:
    assert migrations.state_of(old_head) is migrations.SchemaState.BEHIND
    assert migrations.state_of(CONTRACTED) is migrations.SchemaState.CURRENT
    assert migrations.state_of(None) is migrations.SchemaState.BEHIND


def test_registered_process_is_known_until_it_ends(migrated_database: str, old_head: str) -> None:
    query = "SELECT host <> '', pid, schema_head FROM service_processes"

    async def run() -> list[tuple[object, ...]]:
        async with open_sql(Settings(database_url=SecretStr(migrated_database))) as sql:
            async with registered(sql), asyncio.timeout(30):
                while not (rows := await asyncio.to_thread(fetch)):
                    await asyncio.sleep(0.01)
            return rows

    def fetch() -> list[tuple[object, ...]]:
        with one_connection(migrated_database) as database:
            return [tuple(row) for row in database.fetch(query)]

    assert asyncio.run(run()) == [(True, os.getpid(), old_head)]
    assert fetch() == []
