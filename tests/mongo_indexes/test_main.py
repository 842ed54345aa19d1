"""The commands, their output and their exit codes, in this process and at a terminal."""

import json
import os
import pty
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pymongo.database import Database
from typer.testing import CliRunner, Result

from mongo_indexes import connect
from mongo_indexes.__main__ import app
from mongo_indexes.lock import lease
from tests.mongo_indexes.conftest import Connect

Data = Database[dict[str, Any]]
Run = Callable[..., Result]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(mongodb_url: str, database: Data) -> Run:
    """Run a command in this process, without a terminal; its output must not have the password."""

    def invoke(*arguments: str, url: str = mongodb_url) -> Result:
        result = CliRunner().invoke(
            app,
            [*arguments, "--database", database.name] if arguments[-1] != "--help" else arguments,
            env={"MONGODB_URL": url, "COLUMNS": "200"},
        )
        password = urlsplit(url).password
        assert not password or password not in result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return invoke


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port without a listener; it is bound, so that no other process takes it meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_check_exits_with_drift_or_clean(run: Run) -> None:
    assert run("check").exit_code == 2
    assert run("apply", "--yes").exit_code == 0
    assert run("check").exit_code == 0


def test_check_undeclared_index_is_drift_and_is_kept(run: Run, database: Data) -> None:
    run("apply", "--yes")
    database.items.create_index([("mine", 1)], name="mine")
    checked = run("check")
    assert (checked.exit_code, "items.mine: not declared" in checked.stdout) == (2, True)
    assert run("apply", "--yes").exit_code == 0
    assert "mine" in database.items.index_information()
    assert run("check", "--only", "feedback").exit_code == 0


def test_apply_without_terminal_is_refused_and_shows_the_plan(run: Run, database: Data) -> None:
    result = run("apply")
    assert result.exit_code == 3
    assert "create_collection  items" in result.stdout
    assert "--yes" in result.stderr
    assert database.list_collection_names() == []


def test_apply_with_nothing_to_do_does_not_ask(run: Run) -> None:
    run("apply", "--yes")
    assert run("apply").exit_code == 0


@pytest.mark.parametrize(("answer", "code", "made"), [(b"y\n", 0, True), (b"n\n", 3, False)])
def test_apply_at_a_terminal_asks_first(
    database: Data, mongodb_url: str, answer: bytes, code: int, made: bool
) -> None:
    keyboard, terminal = pty.openpty()
    os.write(keyboard, answer)
    arguments = ["apply", "--only", "items", "--database", database.name, "--url", mongodb_url]
    process = subprocess.run(
        [sys.executable, "-m", "mongo_indexes", *arguments],
        cwd=ROOT,
        stdin=terminal,
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(keyboard)
    os.close(terminal)
    assert (process.returncode, f"Change {database.name}?" in process.stdout) == (code, True)
    assert ("items" in database.list_collection_names()) is made


def test_plan_exits_clean_and_changes_nothing(run: Run, database: Data) -> None:
    result = run("plan")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].endswith(" to do")
    assert database.list_collection_names() == []


def test_apply_only_is_limited_to_the_named_collections(run: Run, database: Data) -> None:
    assert run("apply", "--yes", "--only", "items", "--only", "feedback").exit_code == 0
    assert set(database.list_collection_names()) == {"items", "feedback", "polystore_locks"}


def test_plan_only_unknown_collection_is_refused_with_the_known(run: Run) -> None:
    result = run("plan", "--only", "nothing_such")
    assert result.exit_code == 3
    assert "nothing_such" in result.stderr
    assert "items" in result.stderr


def test_apply_locked_exits_with_4_and_names_the_holder(run: Run, connect: Connect) -> None:
    with lease(connect(), wait=0) as lock:
        result = run("apply", "--yes", "--wait", "0")
    assert result.exit_code == 4
    assert lock.owner in result.stderr


def test_apply_duplicates_exit_with_3_and_list_done_steps(run: Run, database: Data) -> None:
    key = {"idempotency_key": "twice"}
    database.items.insert_many([dict(key), dict(key)])
    result = run("apply", "--yes")
    assert result.exit_code == 3
    assert "unique index items.uq_items_idempotency_key" in result.stderr
    assert "twice" in result.stderr
    assert "done: set_validator items.validator" in result.stderr
    assert "not done: create_index items.uq_items_idempotency_key" in result.stderr


def test_check_unreachable_server_exits_with_5(
    run: Run, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "_CONNECT_MILLISECONDS", 200)
    result = run("check", url=f"mongodb://user:s3cr3t@127.0.0.1:{closed_port}/")
    assert result.exit_code == 5
    assert f"127.0.0.1:{closed_port}" in result.stderr


def test_check_wrong_password_exits_with_5(run: Run, mongodb_url: str) -> None:
    password = urlsplit(mongodb_url).password
    assert password
    wrong = mongodb_url.replace(password, "wrong-s3cr3t", 1)
    assert run("check", url=wrong).exit_code == 5


@pytest.mark.parametrize(
    "url", ["mongodb://u:s3cr3t/x@host/", "nonsense", "mongodb://u:s3@cr3t@host", ""]
)
def test_plan_malformed_url_is_refused_without_repeating_it(run: Run, url: str) -> None:
    result = run("plan", url=url)
    assert result.exit_code == 3
    assert "cr3t" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "keys"),
    [
        (("plan",), 0, {"database", "clean", "steps"}),
        (("check",), 2, {"database", "clean", "steps"}),
        (("apply",), 3, {"error", "left"}),
        (("apply", "--yes"), 0, {"database", "done", "kept"}),
        (("plan", "--only", "nothing"), 3, {"error"}),
    ],
)
def test_json_output_is_exactly_one_object(
    run: Run, arguments: tuple[str, ...], code: int, keys: set[str]
) -> None:
    result = run(*arguments, "--json")
    assert result.exit_code == code
    assert set(json.loads(result.stdout)) == keys


def test_json_output_of_a_step_has_all_its_fields(run: Run) -> None:
    [step] = json.loads(run("plan", "--json", "--only", "item_types").stdout)["steps"][:1]
    assert step == {
        "collection": "item_types",
        "kind": "create_collection",
        "name": "",
        "risk": "safe",
        "changes": True,
        "reason": "does not exist yet",
    }


@pytest.mark.parametrize("command", ["plan", "apply", "check"])
def test_help_has_an_example(run: Run, command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"Example: python -m mongo_indexes {command}" in result.stdout
