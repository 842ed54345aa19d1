"""The supervisor: it ends with its parent, restarts the engine, and can itself be killed."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from service.stores.embedded import MongoEngine
from service.stores.embedded.data_dir import is_locked
from service.stores.embedded.supervised import SupervisedProcess
from service.stores.embedded.supervisor import ProcessSpec, children_of
from tests.stores.embedded.probes import TIMEOUT_SECONDS, Spawn, processes_in, wait_until

pytestmark = [pytest.mark.failover, pytest.mark.xdist_group("embedded_mongo")]


def test_supervisor_parent_is_killed_engines_end_before_next_start(
    data_dir: Path, spawn: Spawn
) -> None:
    """All starts use one folder, so that each meets the engines of the parent before it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        parent = _ready(spawn(data_dir))
        assert processes_in(data_dir)
        parent.send_signal(number)
        parent.wait()
        assert not is_locked(data_dir)
    parent = _ready(spawn(data_dir))
    supervisors = children_of(parent.pid)
    assert len(supervisors) == 2
    for process in (parent.pid, *supervisors):
        os.kill(process, signal.SIGKILL)
    wait_until(lambda: not processes_in(data_dir), "the kernel ends the engines")


def test_supervisor_ctrl_c_engines_run_until_parent_is_done(data_dir: Path, spawn: Spawn) -> None:
    parent = _ready(spawn(data_dir))
    os.killpg(parent.pid, signal.SIGINT)
    output, errors = parent.communicate(timeout=TIMEOUT_SECONDS)
    assert output == "both still there\n", errors
    assert parent.returncode == 0
    assert not processes_in(data_dir)


def test_supervisor_is_killed_engine_restarts_on_same_port(data_dir: Path) -> None:
    lines: list[str] = []
    engine = MongoEngine(data_dir / "mongodb", on_progress=lines.append)
    engine.start()
    try:
        supervisor, port, killed = engine.supervisor_pid, engine.port, engine.pid
        assert supervisor
        os.kill(supervisor, signal.SIGKILL)
        wait_until(lambda: engine.pid not in (killed, None), "another supervisor and engine")
        wait_until(engine._check_ready, "clients can connect")
        assert engine.port == port
        assert any("restarting it" in line for line in lines)
    finally:
        engine.stop()


def test_supervisor_engine_dies_repeatedly_is_restarted(tmp_path: Path) -> None:
    """It died eight times within ten seconds before the supervisor gave up."""
    events: list[str] = []
    spec = ProcessSpec(
        command=["/bin/false"],
        stdin="",
        cwd=str(tmp_path),
        lock=str(tmp_path / "lock"),
        parent=os.getpid(),
        os_user=None,
        stop=[],
        orphan_signal=signal.SIGKILL,
        stale=[],
        restart=True,
    )
    process = SupervisedProcess(spec, tmp_path / "log", lambda kind, _code: events.append(kind))
    try:
        wait_until(lambda: events.count("started") > 8, "another start")
    finally:
        process.stop()
    assert events == ["started", "died"] * (len(events) // 2) + ["started"] * (len(events) % 2)


def _ready(parent: subprocess.Popen[str]) -> subprocess.Popen[str]:
    assert parent.stdout
    if "postgresql" not in parent.stdout.readline():
        pytest.fail(parent.communicate()[1])
    return parent
