"""The guard: no orphan whatever ends the parent, restarts with an end, and guards can be killed."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from service.stores.embedded import MongoEngine
from service.stores.embedded.data_dir import is_locked
from service.stores.embedded.supervised import Guarded
from service.stores.embedded.supervisor import MAX_DEATHS, Spec, children_of

Eventually = Callable[[Callable[[], object], str], None]
Processes = Callable[[Path], list[int]]


class Spawn(Protocol):
    def __call__(self, folder: Path) -> subprocess.Popen[str]: ...


def test_no_engine_outlives_its_parent_and_the_next_start_waits_for_the_last_stop(
    tmp_path: Path, spawn: Spawn, working_in: Processes, eventually: Eventually
) -> None:
    """In one folder, so that each start meets what the parent before it left behind."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        parent = _ready(spawn(tmp_path))
        assert working_in(tmp_path)
        parent.send_signal(number)
        parent.wait()
        assert not is_locked(tmp_path)
    parent = _ready(spawn(tmp_path))
    guards = children_of(parent.pid)
    assert len(guards) == 2
    for process in (parent.pid, *guards):
        os.kill(process, signal.SIGKILL)
    eventually(lambda: not working_in(tmp_path), "the kernel ends the engines")


def test_ctrl_c_reaches_us_and_not_the_engines_which_we_stop_when_we_are_done(
    tmp_path: Path, spawn: Spawn, working_in: Processes
) -> None:
    parent = _ready(spawn(tmp_path))
    os.killpg(parent.pid, signal.SIGINT)
    output, errors = parent.communicate()
    assert output == "both still there\n", errors
    assert parent.returncode == 0
    assert not working_in(tmp_path)


def test_a_killed_guard_is_replaced_and_the_engine_keeps_its_port(
    tmp_path: Path, eventually: Eventually
) -> None:
    said: list[str] = []
    engine = MongoEngine(tmp_path, tell=said.append)
    engine.start()
    try:
        guard, port, killed = engine.guard_pid, engine.port, engine.pid
        assert guard
        os.kill(guard, signal.SIGKILL)
        eventually(lambda: engine.pid not in (killed, None), "another guard and engine")
        eventually(engine._settle, "it takes clients")
        assert engine.port == port
        assert any("starting it again" in line for line in said)
    finally:
        engine.stop()


def test_an_engine_that_dies_again_and_again_is_given_up(tmp_path: Path) -> None:
    heard: list[str] = []
    spec = Spec(
        command=["/bin/false"],
        feed="",
        cwd=str(tmp_path),
        lock=str(tmp_path / "lock"),
        parent=os.getpid(),
        account=None,
        stop=[],
        orphan_signal=signal.SIGKILL,
        stale=[],
        keep=True,
    )
    guarded = Guarded(spec, tmp_path / "log", lambda kind, _code: heard.append(kind))
    guarded.wait()
    guarded.stop()
    died = heard.count("died")  # on a slow machine one more, since the first was long ago
    assert died >= MAX_DEATHS
    assert heard == ["started", "died"] * died + ["gave up"]


def _ready(parent: subprocess.Popen[str]) -> subprocess.Popen[str]:
    assert parent.stdout
    if "postgresql" not in parent.stdout.readline():
        pytest.fail(parent.communicate()[1])
    return parent
