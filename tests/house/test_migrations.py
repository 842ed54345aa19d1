"""The migrations lead to the tables in the code, forwards and backwards."""

import os
import subprocess
import sys

import pytest
from alembic import command
from alembic.script import ScriptDirectory

from service import migrate
from service.embedded import StoreUrls
from tests.fixtures.stores import new_database


@pytest.fixture
def empty_database(engines: StoreUrls, worker_name: str) -> str:
    return new_database(engines.database_url, f"{worker_name}_stairs")


def silent(_step: str) -> None:
    pass


def test_the_database_is_what_the_tables_say(empty_database: str) -> None:
    migrate.apply(empty_database, silent)
    assert migrate.differences(empty_database) is None
    assert migrate.head_of(empty_database) == migrate.expected_head()


def test_every_step_goes_up_and_down_and_up_again(empty_database: str) -> None:
    config = migrate.alembic_config(empty_database)
    steps = list(ScriptDirectory.from_config(config).walk_revisions())[::-1]
    for step in steps:
        command.upgrade(config, step.revision)
        command.downgrade(config, "-1")
        command.upgrade(config, step.revision)
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
