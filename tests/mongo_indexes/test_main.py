"""The commands as a shell runs them: what they print, and what they end with."""

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

from mongo_indexes.lock import lease
from tests.mongo_indexes.conftest import Connect

Data = Database[dict[str, Any]]
Run = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(mongodb_url: str, database: Data) -> Run:
    """Runs a command on the test's database, without a terminal, and looks for the password."""

    def ran(*arguments: str, url: str = mongodb_url) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mongo_indexes", *arguments]
        environment = os.environ | {"MONGODB_URL": url, "COLUMNS": "200"}
        ended = subprocess.run(
            [*command, "--database", database.name] if arguments[-1] != "--help" else command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        password = urlsplit(url).password
        assert not password or password not in ended.stdout + ended.stderr
        assert "Traceback" not in ended.stderr
        return ended

    return ran


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port on which nobody listens, and nobody will during the test."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_check_tells_drift_from_clean(run: Run) -> None:
    assert run("check").returncode == 2
    assert run("apply", "--yes").returncode == 0
    assert run("check").returncode == 0


def test_undeclared_index_is_drift_and_survives_apply(run: Run, database: Data) -> None:
    run("apply", "--yes")
    database.items.create_index([("mine", 1)], name="mine")
    checked = run("check")
    assert (checked.returncode, "items.mine: nobody declared it" in checked.stdout) == (2, True)
    assert run("apply", "--yes").returncode == 0
    assert "mine" in database.items.index_information()
    assert run("check", "--only", "feedback").returncode == 0


def test_apply_without_a_terminal_is_refused_and_shows_the_plan(run: Run, database: Data) -> None:
    ended = run("apply")
    assert ended.returncode == 3
    assert "create_collection  items" in ended.stdout
    assert "--yes" in ended.stderr
    assert database.list_collection_names() == []


def test_apply_with_nothing_to_do_asks_nobody(run: Run) -> None:
    run("apply", "--yes")
    assert run("apply").returncode == 0


@pytest.mark.parametrize(("answer", "code", "made"), [(b"y\n", 0, True), (b"n\n", 3, False)])
def test_apply_at_a_terminal_asks_first(
    database: Data, mongodb_url: str, answer: bytes, code: int, made: bool
) -> None:
    ours, terminal = pty.openpty()
    os.write(ours, answer)
    arguments = ["apply", "--only", "items", "--database", database.name, "--url", mongodb_url]
    ended = subprocess.run(
        [sys.executable, "-m", "mongo_indexes", *arguments],
        cwd=ROOT,
        stdin=terminal,
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(ours)
    os.close(terminal)
    assert (ended.returncode, f"Change {database.name}?" in ended.stdout) == (code, True)
    assert ("items" in database.list_collection_names()) is made


def test_plan_ends_well_and_changes_nothing(run: Run, database: Data) -> None:
    ended = run("plan")
    assert ended.returncode == 0
    assert ended.stdout.splitlines()[-1].endswith(" to do")
    assert database.list_collection_names() == []


def test_only_limits_to_the_named_collections(run: Run, database: Data) -> None:
    assert run("apply", "--yes", "--only", "items", "--only", "feedback").returncode == 0
    assert set(database.list_collection_names()) == {"items", "feedback", "polystore_locks"}


def test_only_of_an_unknown_collection_is_refused_with_the_known_ones(run: Run) -> None:
    ended = run("plan", "--only", "nothing_such")
    assert ended.returncode == 3
    assert "nothing_such" in ended.stderr
    assert "items" in ended.stderr


def test_held_lock_ends_with_four_and_says_who(run: Run, connect: Connect) -> None:
    with lease(connect(), wait=0) as held:
        ended = run("apply", "--yes", "--wait", "0")
    assert ended.returncode == 4
    assert held.owner in ended.stderr


def test_duplicates_end_with_three_and_say_what_was_done(run: Run, database: Data) -> None:
    key = {"idempotency_key": "twice"}
    database.items.insert_many([dict(key), dict(key)])
    ended = run("apply", "--yes")
    assert ended.returncode == 3
    assert "unique index items.uq_items_idempotency_key" in ended.stderr
    assert "twice" in ended.stderr
    assert "done: set_validator items.validator" in ended.stderr
    assert "not done: create_index items.uq_items_idempotency_key" in ended.stderr


def test_unreachable_server_ends_with_five(run: Run, closed_port: int) -> None:
    ended = run("check", url=f"mongodb://user:s3cr3t@127.0.0.1:{closed_port}/")
    assert ended.returncode == 5
    assert f"127.0.0.1:{closed_port}" in ended.stderr


def test_wrong_password_ends_with_five(run: Run, mongodb_url: str) -> None:
    password = urlsplit(mongodb_url).password
    assert password
    wrong = mongodb_url.replace(password, "wrong-s3cr3t", 1)
    assert run("check", url=wrong).returncode == 5


@pytest.mark.parametrize(
    "url", ["mongodb://u:s3cr3t/x@host/", "nonsense", "mongodb://u:s3@cr3t@host", ""]
)
def test_url_that_is_none_is_refused_without_repeating_it(run: Run, url: str) -> None:
    ended = run("plan", url=url)
    assert ended.returncode == 3
    assert "cr3t" not in ended.stdout + ended.stderr


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
def test_json_is_one_object_and_nothing_else(
    run: Run, arguments: tuple[str, ...], code: int, keys: set[str]
) -> None:
    ended = run(*arguments, "--json")
    assert ended.returncode == code
    assert set(json.loads(ended.stdout)) == keys


def test_json_of_a_step_says_what_a_script_needs(run: Run) -> None:
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
    ended = run(command, "--help")
    assert ended.returncode == 0
    assert f"Example: python -m mongo_indexes {command}" in ended.stdout
