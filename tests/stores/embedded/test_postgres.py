"""PostgreSQL alone: killed, stopped by SIGSTOP, moved, interrupted in its first start."""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from service.stores.embedded import EngineFailed, PostgresEngine
from tests.stores.embedded.probes import Spawn, processes_in, query, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("embedded_postgres")]
START_AND_STOP = """
import sys
from pathlib import Path
from service.stores.embedded import PostgresEngine
engine = PostgresEngine(Path(sys.argv[1]), on_progress=lambda line: print(line, flush=True))
engine.start()
print("started", flush=True)
engine.stop()
"""


def _single_user_mode(folder: Path) -> bool:
    for process in processes_in(folder):
        with suppress(OSError):
            if b"--single" in Path(f"/proc/{process}/cmdline").read_bytes():
                return True
    return False


# The steps of a first start, each with the condition that it has begun.
FIRST_START: dict[str, Callable[[Path], object]] = {
    "initdb_bootstraps": lambda folder: list(folder.glob("data.new-*/PG_VERSION")),
    "initdb_copies_databases": lambda folder: list(folder.glob("data.new-*/base/4")),
    "role_is_created": _single_user_mode,
}


@pytest.fixture(scope="module")
def shared_postgres(
    prepared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PostgresEngine]:
    """One engine for this module, on disk because a test is about durability."""
    folder = tmp_path_factory.mktemp("embedded") / "postgres"
    engine = PostgresEngine(shutil.copytree(prepared_data / "postgres", folder))
    yield engine
    engine.stop()


@pytest.fixture
def postgres(shared_postgres: PostgresEngine) -> PostgresEngine:
    """A running PostgreSQL, with the tables of earlier tests."""
    if shared_postgres.pid is None:
        shared_postgres.start()
    return shared_postgres


def test_postgres_killed_keeps_acknowledged_rows_and_its_port(postgres: PostgresEngine) -> None:
    query(postgres.url, "DROP TABLE IF EXISTS acks; CREATE TABLE acks (n int)")
    acknowledged: list[str] = []
    finished = threading.Event()

    def write() -> None:
        for batch in count():
            if finished.is_set():
                return
            numbers = range(batch * 1000, batch * 1000 + 1000)
            insert = "INSERT INTO acks VALUES (%d) RETURNING n;\n"
            acknowledged.extend(query(postgres.url, "".join(insert % n for n in numbers)))

    def run_long_query() -> None:
        # Its backend outlives the killed postmaster and would block the restart.
        query(postgres.url, "SELECT count(*) FROM generate_series(1, 1000000000) a")

    threads = [threading.Thread(target=write), threading.Thread(target=run_long_query)]
    for thread in threads:
        thread.start()
    running = "SELECT count(*) > 1 FROM pg_stat_activity WHERE query LIKE '%generate_series%'"
    wait_until(lambda: query(postgres.url, running) == ["t"], "the long query runs")
    try:
        for _ in range(2):
            enough = _rows(postgres) + 100
            wait_until(partial(_has_rows, postgres, enough), "writes continue")
            _kill_and_wait(postgres)
    finally:
        finished.set()
        for thread in threads:
            thread.join()
    stored = set(query(postgres.url, "SELECT n FROM acks"))
    assert len(acknowledged) > 200
    assert set(acknowledged) <= stored


def test_postgres_sigstopped_is_stopped_in_order(postgres: PostgresEngine) -> None:
    assert postgres.pid
    os.kill(postgres.pid, signal.SIGSTOP)
    began = time.monotonic()
    postgres.stop()
    assert time.monotonic() - began < 9  # before the 10 s after which the next signal is sent
    assert not (postgres.data / "postmaster.pid").exists(), "it was not stopped in order"


def test_postgres_port_taken_moves_to_another_port(postgres: PostgresEngine) -> None:
    query(postgres.url, "DROP TABLE IF EXISTS kept; CREATE TABLE kept (n int)")
    first = postgres.port
    postgres.stop()
    with socket.create_server(("127.0.0.1", first)):
        postgres.start()
        assert postgres.port != first
        assert query(postgres.url, "SELECT count(*) FROM kept") == ["0"]


def test_postgres_stale_pid_file_of_other_process_starts(postgres: PostgresEngine) -> None:
    postgres.stop()
    pid_file = f"{os.getpid()}\n{postgres.data}\n1\n{postgres.port}\n\n127.0.0.1\n"
    (postgres.data / "postmaster.pid").write_text(pid_file)
    postgres.start()
    assert query(postgres.url, "SELECT 1") == ["1"]


def test_postgres_lost_password_file_raises_error_with_remedy(postgres: PostgresEngine) -> None:
    postgres.stop()
    hidden = (postgres.folder / "password").rename(postgres.folder / "hidden")
    with pytest.raises(EngineFailed, match="Put the file back"):
        postgres.start()
    assert postgres.pid is None
    hidden.rename(postgres.folder / "password")


@pytest.mark.parametrize("step", FIRST_START)
def test_postgres_first_start_killed_is_repaired(tmp_path: Path, spawn: Spawn, step: str) -> None:
    folder = tmp_path / "postgres"
    process = spawn(folder, code=START_AND_STOP)
    wait_until(lambda: FIRST_START[step](folder), step)
    _kill_with_supervisors(process)
    assert not (folder / "data").exists(), "killed too late"
    engine = PostgresEngine(folder)
    engine.start()
    try:
        assert query(engine.url, "SELECT current_database()") == ["polystore"]
    finally:
        engine.stop()


def _kill_with_supervisors(parent: subprocess.Popen[str]) -> None:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
            if int(fields[1]) == parent.pid:
                os.kill(int(stat.parent.name), signal.SIGKILL)
    parent.kill()


def _kill_and_wait(postgres: PostgresEngine) -> None:
    killed = postgres.pid
    assert killed
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: postgres.pid not in (killed, None), "a new postmaster")
    wait_until(lambda: query(postgres.url, "SELECT 1") == ["1"], "it responds on its old port")


def _has_rows(postgres: PostgresEngine, enough: int) -> bool:
    return _rows(postgres) > enough


def _rows(postgres: PostgresEngine) -> int:
    return int((query(postgres.url, "SELECT count(*) FROM acks") or ["0"])[0])
