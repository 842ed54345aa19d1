"""The command line, run as people and scripts run it."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli import app
from service.stores.embedded import StoreUrls
from service.stores.sql import migrations as migrate
from tests.fixtures.service import running_service
from tests.fixtures.stores import new_database

COMMANDS = [
    ["serve"],
    ["demo"],
    ["doctor"],
    *(["migrate", each] for each in ("plan", "apply", "down", "check")),
    *(["indexes", each] for each in ("plan", "apply", "check")),
    ["retention", "apply"],
]


def polystore(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    return subprocess.run(
        [sys.executable, "-m", "service.cli", *arguments],
        env={**plain, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_with_an_example(command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    assert "Example" in result.output


def test_the_schema_is_planned_applied_checked_and_taken_back(
    engines: StoreUrls, worker_name: str
) -> None:
    url = new_database(engines.database_url, f"{worker_name}_cli")
    plan = json.loads(polystore("migrate", "plan", "--json", DATABASE_URL=url).stdout)
    assert [step["revision"] for step in plan["pending"]] == [
        step.revision for step in migrate.pending(None)
    ]
    assert polystore("migrate", "check", DATABASE_URL=url).returncode == 2
    applied = polystore("migrate", "apply", DATABASE_URL=url)
    assert applied.returncode == 0
    assert migrate.expected_head() in applied.stdout
    assert polystore("migrate", "check", DATABASE_URL=url).returncode == 0
    assert polystore("migrate", "down", "--yes", DATABASE_URL=url).returncode == 0
    check = json.loads(polystore("migrate", "check", "--json", DATABASE_URL=url).stdout)
    assert check["difference"] == "the schema is behind"


def test_indexes_are_checked_under_either_name(engines: StoreUrls, worker_name: str) -> None:
    database = ["--database", f"{worker_name}_cli"]
    url = engines.mongodb_url
    assert polystore("indexes", "check", *database, MONGODB_URL=url).returncode == 2
    assert polystore("indexes", "apply", "--yes", *database, MONGODB_URL=url).returncode == 0
    assert polystore("indexes", "check", *database, MONGODB_URL=url).returncode == 0


def test_one_forgotten_url_is_named(tmp_path: Path) -> None:
    result = polystore("serve", DATABASE_URL="postgresql://h/d", POLYSTORE_DATA_DIR=str(tmp_path))
    assert result.returncode == 5
    assert "MONGODB_URL is not set" in result.stderr


def test_a_bad_setting_is_named_without_its_value() -> None:
    result = polystore("doctor", DATABASE_URL="mysql://root:sesame@h/d", PORT="none")
    assert result.returncode == 5
    assert "DATABASE_URL" in result.stderr
    assert "PORT" in result.stderr
    assert "sesame" not in result.stderr


def test_a_port_in_use_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = polystore("serve", PORT=port, POLYSTORE_DATA_DIR=str(tmp_path / "data"))
    assert result.returncode == 5
    assert "PORT=" in result.stderr
    assert not (tmp_path / "data").exists()


def test_an_unreachable_store_is_said_in_a_sentence() -> None:
    url = "postgresql://polystore:sesame@127.0.0.1:9/polystore"
    result = polystore("migrate", "apply", DATABASE_URL=url)
    assert result.returncode == 5
    assert "not reachable" in result.stderr
    assert "Traceback" not in result.stderr
    assert "sesame" not in result.stderr


def test_the_demo_without_a_service_says_how_to_start_it() -> None:
    result = polystore("demo", "--url", "http://127.0.0.1:9", POLYSTORE_TOKEN="pk_none")
    assert result.returncode == 5
    assert "make serve" in result.stderr


def test_a_served_folder_is_found_by_the_others_and_refused_to_a_second(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    with running_service(tmp_path) as service:
        first, again = (
            json.loads(
                polystore("demo", "--url", service.url, "--json", POLYSTORE_DATA_DIR=data).stdout
            )
            for _ in range(2)
        )
        doctor = polystore("doctor", "--json", POLYSTORE_DATA_DIR=data)
        second = polystore("serve", PORT="0", POLYSTORE_DATA_DIR=data)
    assert (first["created"], first["duplicates"], first["conflicts"]) == (5072, 28, 0)
    assert (again["created"], again["duplicates"], again["conflicts"]) == (0, 5100, 0)
    assert first["labels"]["labelled"] == 4595
    assert sum(first["labels"][name] for name in ("revised", "unchanged")) == 40
    assert again["labels"] == {**dict.fromkeys(first["labels"], 0), "unchanged": 4635}
    assert (again["user"], again["post"], again["item"]) == (
        first["user"],
        first["post"],
        first["item"],
    )
    found = json.loads(doctor.stdout)
    assert found["ok"]
    assert found["postgresql"]["head"] == migrate.expected_head()
    assert found["mongodb"]["drift"] == []
    assert "@127.0.0.1" in found["mongodb"]["url"]
    assert ":" not in found["mongodb"]["url"].removeprefix("mongodb://").partition("@")[0]
    assert second.returncode == 5
    assert "in use" in second.stderr


def test_given_stores_are_used_and_no_engine_is_started(
    engines: StoreUrls, worker_name: str, tmp_path: Path
) -> None:
    url = new_database(engines.database_url, f"{worker_name}_given")
    migrate.apply(url, lambda _step: None)
    mongodb = {"MONGODB_URL": engines.mongodb_url, "POLYSTORE_MONGODB_DATABASE": worker_name}
    assert (
        polystore("indexes", "apply", "--yes", "--database", worker_name, **mongodb).returncode == 0
    )
    with running_service(tmp_path, DATABASE_URL=url, **mongodb) as service:
        assert "PostgreSQL" not in service.log.read_text()
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"secret"}
