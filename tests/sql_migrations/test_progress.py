"""The output of a run of migrations, on a terminal, in a log and as JSON."""

import json
import os
import pty
import re
import subprocess
import sys
import time
from threading import Thread

import pytest
from typer.testing import CliRunner, Result

from service.cli import app
from service.stores.sql import downgrade
from service.stores.sql import migrations as migrate
from sql_migrations import progress
from tests.sql_migrations.conftest import OldPosts
from tests.sql_migrations.old_posts import BEFORE, POLL_SECONDS, post_id, second_client
from tests.sql_migrations.rows import ROWS, execute

APPLY = [sys.executable, "-m", "service.cli", "migrate", "apply"]


@pytest.fixture
def old_database(old_posts: OldPosts) -> str:
    return old_posts("progress", 2_500)


def run_migrate(url: str, *arguments: str, keyboard: str = "", **environment: str) -> Result:
    """Run ``polystore migrate`` in this process."""
    return CliRunner().invoke(
        app, ["migrate", *arguments], env={"DATABASE_URL": url, **environment}, input=keyboard
    )


def test_apply_on_a_terminal_shows_the_rows_that_are_done(old_database: str) -> None:
    lines: list[str] = []
    states: list[str] = []
    finished = migrate.apply(old_database, lines.append, states.append)
    assert [step.rows for step in finished[:3]] == [2_500, None, 0]
    assert [line.split(":")[0].split(" (")[0] for line in lines] == [
        f"applied {step.revision}" for step in finished
    ]
    counts = [match[0] for state in states if (match := re.search(r"[\d,]+ of 2,500 rows", state))]
    shown = [count for count in dict.fromkeys(counts) if not count.startswith("0 ")]
    # A later migration fills the columns that are searched, of each table in turn.
    assert shown[:3] == [f"{n} of 2,500 rows" for n in ("1,000", "2,000", "2,500")]


def test_apply_to_a_log_writes_the_state_now_and_then(
    old_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    lines: list[str] = []
    migrate.apply(old_database, lines.append)
    steps = len(migrate.pending(BEFORE))
    state = f"running 202611211500 (1 of {steps}, 2,000 of 2,500 rows"
    assert any(state in line for line in lines)


def test_apply_long_statement_has_a_heartbeat(old_database: str) -> None:
    states: list[str] = []
    runner = Thread(target=lambda: migrate.apply(old_database, lambda _line: None, states.append))
    with second_client(old_database) as blocker:
        blocker.execute("BEGIN")
        blocker.execute(f"SELECT id FROM posts WHERE id = '{post_id(1_500)}' FOR UPDATE")
        runner.start()
        blocker.wait_for_blocked()
        before = len(states)
        while len(states) < before + 2:
            time.sleep(POLL_SECONDS)
        blocker.execute("ROLLBACK")
    runner.join()
    first, second = states[before : before + 2]
    assert "1,000 of 2,500 rows, " in first
    assert first != second, "the seconds increase"


def test_apply_without_a_terminal_prints_plain_lines_and_json(old_database: str) -> None:
    pending = migrate.pending(BEFORE)
    planned = len(pending)
    run = run_migrate(old_database, "apply", "--json", FORCE_COLOR="")
    result = json.loads(run.stdout)
    assert result["head"] == migrate.expected_head()
    assert [step["revision"] for step in result["applied"]] == [step.revision for step in pending]
    assert all(step["seconds"] >= 0 for step in result["applied"])
    lines = run.stderr.splitlines()
    assert len(lines) == planned
    for position, line in enumerate(lines, start=1):
        assert re.match(
            rf"  applied \d+ \({position} of {planned}, \d+\.\d\d s(, [\d,]+ rows)?\): ", line
        )
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", run.stderr)
    assert json.loads(run_migrate(old_database, "apply", "--json").stdout)["applied"] == []


def test_apply_on_a_real_terminal_updates_one_line_and_keeps_others(old_database: str) -> None:
    screen_end, terminal = pty.openpty()
    environment = {**os.environ, "DATABASE_URL": old_database, "TERM": "xterm"}
    with subprocess.Popen(APPLY, env=environment, stdout=subprocess.PIPE, stderr=terminal) as run:
        os.close(terminal)
        screen = b""
        try:
            while chunk := os.read(screen_end, 65_536):
                screen += chunk
        except OSError:  # Linux reports the closed other end so
            pass
        os.close(screen_end)
        assert run.wait(timeout=30) == 0
    assert b"\x1b[" in screen
    assert b"running 20261" in screen
    assert screen.count(b"applied 20261") == len(migrate.pending(BEFORE))


def test_apply_interrupted_by_ctrl_c_reports_which_steps_stay(empty_database: str) -> None:
    lines: list[str] = []

    def log(line: str) -> None:
        lines.append(line)
        if len(lines) == 2:
            raise KeyboardInterrupt

    with pytest.raises(migrate.MigrationFailed) as failure:
        migrate.apply(empty_database, log)
    second = migrate.pending(None)[1].revision
    assert f"stopped at {second}. Finished migrations and finished batches stay" in str(
        failure.value
    )
    assert str(failure.value).endswith("It was interrupted.")
    assert migrate.head_of(empty_database) == migrate.pending(None)[0].revision


def test_plan_counts_the_rows_of_a_data_migration(old_database: str, empty_database: str) -> None:
    pending = json.loads(run_migrate(old_database, "plan", "--json").stdout)["pending"]
    assert pending[0] | {"why": ""} == {
        "revision": "202611211500", "why": "", "phase": "expand", "data": True, "rows": 2_500,
        "batch": 1_000,
    }  # fmt: skip
    assert [step["data"] for step in pending[:3]] == [True, False, False]
    assert "2,500 rows now, 1,000 at a time" in run_migrate(old_database, "plan").stdout
    pending = json.loads(run_migrate(empty_database, "plan", "--json").stdout)["pending"]
    assert [step["rows"] for step in pending if step["data"]] == [0, 0]


def test_down_lists_what_is_lost_before_it_asks(old_database: str) -> None:
    tables = ("projects", "project_members", "project_invitations")
    execute(old_database, *(ROWS[table] for table in tables))
    declined = run_migrate(old_database, "down", keyboard="n\n")
    assert declined.exit_code == 1
    assert "202611211402: Create project_invitations" in declined.stderr
    assert "  DROP TABLE project_invitations\n" in declined.stderr
    assert "Rows deleted with project_invitations: 1." in declined.stderr
    assert migrate.head_of(old_database) == "202611211402"
    done = run_migrate(old_database, "down", "--yes")
    assert done.exit_code == 0, done.stderr
    assert "reverted 202611211402 (1 of 1, " in done.stderr
    assert migrate.head_of(old_database) == "202611211401"


def test_down_at_another_revision_than_expected_is_refused(old_database: str) -> None:
    with pytest.raises(migrate.MigrationFailed, match="no longer at 202611211401"):
        downgrade.down(old_database, lambda _line: None, expected="202611211401")
    assert migrate.head_of(old_database) == "202611211402"


def test_down_without_migrations_has_nothing_to_revert(empty_database: str) -> None:
    result = run_migrate(empty_database, "down", "--yes")
    assert (result.exit_code, result.stderr) == (0, "")
    assert migrate.head_of(empty_database) is None
