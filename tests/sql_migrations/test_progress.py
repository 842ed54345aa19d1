"""What an operator sees of a run of migrations, on a terminal and in a log."""

import json
import os
import pty
import re
import subprocess
import sys
from threading import Thread

import pytest

from service.stores.embedded import StoreUrls
from service.stores.sql import migrations as migrate
from sql_migrations import progress
from tests.fixtures.stores import new_database
from tests.sql_migrations.posts import BEFORE, old_posts, other, post_id
from tests.sql_migrations.rows import ROWS, say

APPLY = [sys.executable, "-m", "service.cli", "migrate", "apply"]


@pytest.fixture
def old_database(engines: StoreUrls, worker_name: str) -> str:
    return old_posts(engines.database_url, f"{worker_name}_progress", 2_500)


@pytest.fixture
def empty_database(engines: StoreUrls, worker_name: str) -> str:
    return new_database(engines.database_url, f"{worker_name}_log")


def test_a_terminal_shows_the_rows_that_are_done(old_database: str) -> None:
    told: list[str] = []
    shown: list[str] = []
    done = migrate.apply(old_database, told.append, shown.append)
    assert [step.rows for step in done[:3]] == [2_500, None, 0]
    assert [each.split(":")[0].split(" (")[0] for each in told] == [
        f"applied {step.revision}" for step in done
    ]
    rows = [found[0] for each in shown if (found := re.search(r"[\d,]+ of 2,500 rows", each))]
    told_rows = [each for each in dict.fromkeys(rows) if not each.startswith("0 ")]
    assert told_rows == [f"{n} of 2,500 rows" for n in ("1,000", "2,000", "2,500")]


def test_a_log_gets_a_line_now_and_then(old_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_SIGNS", 0.0)
    told: list[str] = []
    migrate.apply(old_database, told.append)
    steps = len(migrate.pending(BEFORE))
    assert any(f"on 202611211500 (1 of {steps}, 2,000 of 2,500 rows" in each for each in told)


def test_a_statement_that_takes_long_shows_that_it_is_alive(old_database: str) -> None:
    shown: list[str] = []
    runner = Thread(target=lambda: migrate.apply(old_database, lambda _line: None, shown.append))
    with other(old_database) as somebody:
        somebody.does("BEGIN")
        somebody.does(f"SELECT id FROM posts WHERE id = '{post_id(1_500)}' FOR UPDATE")
        runner.start()
        somebody.until_somebody_waits()
        before = len(shown)
        while len(shown) < before + 2:
            somebody.does("SELECT 1")
        somebody.does("ROLLBACK")
    runner.join()
    one, two = shown[before : before + 2]
    assert "1,000 of 2,500 rows, " in one
    assert one != two, "the seconds go on"


def test_a_log_has_plain_lines_and_scripts_get_json(empty_database: str) -> None:
    environment = {**os.environ, "DATABASE_URL": empty_database, "FORCE_COLOR": ""}
    planned = len(migrate.pending(None))
    run = subprocess.run(
        [*APPLY, "--json"], env=environment, capture_output=True, text=True, check=True
    )
    found = json.loads(run.stdout)
    assert found["head"] == migrate.expected_head()
    assert [step["revision"] for step in found["applied"]] == [
        step.revision for step in migrate.pending(None)
    ]
    assert all(step["seconds"] >= 0 for step in found["applied"])
    lines = run.stderr.splitlines()
    assert len(lines) == planned
    for place, line in enumerate(lines, start=1):
        assert re.match(
            rf"  applied \d+ \({place} of {planned}, \d+\.\d\d s(, \d+ rows)?\): ", line
        )
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", run.stderr)
    again = subprocess.run([*APPLY, "--json"], env=environment, capture_output=True, check=True)
    assert json.loads(again.stdout)["applied"] == []


def test_a_terminal_gets_a_line_that_moves_and_lines_that_stay(empty_database: str) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "DATABASE_URL": empty_database, "TERM": "xterm"}
    with subprocess.Popen(APPLY, env=environment, stdout=subprocess.PIPE, stderr=theirs) as run:
        os.close(theirs)
        screen = b""
        try:
            while piece := os.read(ours, 65_536):
                screen += piece
        except OSError:  # how Linux says that the other end is closed
            pass
        os.close(ours)
        assert run.wait(timeout=30) == 0
    assert b"\x1b[" in screen
    assert b"at work on 20261" in screen
    assert screen.count(b"applied 20261") == len(migrate.pending(None))


def test_who_presses_ctrl_c_is_told_what_stays(empty_database: str) -> None:
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        if len(told) == 2:
            raise KeyboardInterrupt

    with pytest.raises(migrate.MigrationFailed) as refused:
        migrate.apply(empty_database, tell)
    second = migrate.pending(None)[1].revision
    assert f"stopped at {second}. What was done before stays" in str(refused.value)
    assert str(refused.value).endswith("It was interrupted.")
    assert migrate.head_of(empty_database) == migrate.pending(None)[0].revision


def polystore(url: str, *arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*APPLY[:-1], *arguments],
        env={**os.environ, "DATABASE_URL": url},
        input=said,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_plan_tells_how_many_rows_a_data_migration_would_change(
    old_database: str, empty_database: str
) -> None:
    found = json.loads(polystore(old_database, "plan", "--json").stdout)["pending"]
    assert found[0] | {"why": ""} == {
        "revision": "202611211500", "why": "", "data": True, "rows": 2_500, "batch": 1_000,
    }  # fmt: skip
    assert [step["data"] for step in found[:3]] == [True, False, False]
    assert "2,500 rows as of now, 1,000 at a time" in polystore(old_database, "plan").stdout
    from_nothing = json.loads(polystore(empty_database, "plan", "--json").stdout)["pending"]
    assert [step["rows"] for step in from_nothing if step["data"]] == [0]


def test_down_tells_what_goes_before_it_asks(old_database: str) -> None:
    tables = ("projects", "project_members", "project_invitations")
    say(old_database, *(ROWS[table] for table in tables))
    asked = polystore(old_database, "down", said="n\n")
    assert asked.returncode == 1
    assert "takes back 202611211402: Create project_invitations" in asked.stderr
    assert "  DROP TABLE project_invitations\n" in asked.stderr
    assert "its rows: 1." in asked.stderr
    assert migrate.head_of(old_database) == "202611211402"
    done = polystore(old_database, "down", "--yes")
    assert done.returncode == 0, done.stderr
    assert "took back 202611211402 (1 of 1, " in done.stderr
    assert migrate.head_of(old_database) == "202611211401"


def test_down_takes_back_nothing_but_what_it_told(old_database: str) -> None:
    with pytest.raises(migrate.MigrationFailed, match="no longer at 202611211401"):
        migrate.down(old_database, lambda _line: None, last="202611211401")
    assert migrate.head_of(old_database) == "202611211402"


def test_there_may_be_nothing_to_take_back(empty_database: str) -> None:
    found = polystore(empty_database, "down", "--yes")
    assert (found.returncode, found.stdout) == (0, "There is nothing to take back.\n")
