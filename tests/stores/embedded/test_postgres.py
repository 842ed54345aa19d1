"""PostgreSQL alone: killed, frozen, moved, interrupted in its first start."""

import os
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
from typing import Protocol

import pytest

from service.stores.embedded import EngineFailed, PostgresEngine

pytestmark = pytest.mark.xdist_group("embedded_postgres")

Query = Callable[[str, str], list[str]]
Eventually = Callable[[Callable[[], object], str], None]
CREATE_ONLY = """
import sys
from pathlib import Path
from service.stores.embedded import PostgresEngine
engine = PostgresEngine(Path(sys.argv[1]), tell=lambda line: print(line, flush=True))
engine.start()
print("started", flush=True)
engine.stop()
"""


class Spawn(Protocol):
    def __call__(self, folder: Path, *, code: str) -> subprocess.Popen[str]: ...


@pytest.fixture(scope="module")
def kept_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresEngine]:
    engine = PostgresEngine(tmp_path_factory.mktemp("embedded") / "postgres")
    yield engine
    engine.stop()


@pytest.fixture
def postgres(kept_postgres: PostgresEngine) -> PostgresEngine:
    """A running PostgreSQL, with what the tests before left in it."""
    if kept_postgres.pid is None:
        kept_postgres.start()
    return kept_postgres


def test_kill_9_loses_no_acknowledged_row_and_the_same_port_answers_again(
    postgres: PostgresEngine, query: Query, eventually: Eventually
) -> None:
    query(postgres.url, "DROP TABLE IF EXISTS acks; CREATE TABLE acks (n int)")
    acknowledged: list[str] = []
    over = threading.Event()

    def write() -> None:
        for batch in count():
            if over.is_set():
                return
            numbers = range(batch * 1000, batch * 1000 + 1000)
            insert = "INSERT INTO acks VALUES (%d) RETURNING n;\n"
            acknowledged.extend(query(postgres.url, "".join(insert % n for n in numbers)))

    def busy() -> None:
        # A backend that does not look up when the postmaster dies: it would block the restart.
        query(postgres.url, "SELECT count(*) FROM generate_series(1, 1000000000) a")

    threads = [threading.Thread(target=write), threading.Thread(target=busy)]
    for thread in threads:
        thread.start()
    running = "SELECT count(*) > 1 FROM pg_stat_activity WHERE query LIKE '%generate_series%'"
    eventually(lambda: query(postgres.url, running) == ["t"], "the long query runs")
    try:
        for _ in range(3):
            enough = _rows(query, postgres) + 100
            eventually(partial(_has_rows, query, postgres, enough), "writes go on")
            _kill_until_back(postgres, query, eventually)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    stored = set(query(postgres.url, "SELECT n FROM acks"))
    assert len(acknowledged) > 300
    assert set(acknowledged) <= stored


def test_a_frozen_server_is_stopped_all_the_same(postgres: PostgresEngine) -> None:
    assert postgres.pid
    os.kill(postgres.pid, signal.SIGSTOP)
    began = time.monotonic()
    postgres.stop()
    assert time.monotonic() - began < 9  # and not after the 10 that it has to stop by itself
    assert not (postgres.data / "postmaster.pid").exists(), "it was not stopped in order"


def test_a_taken_port_is_replaced_by_another(postgres: PostgresEngine, query: Query) -> None:
    query(postgres.url, "DROP TABLE IF EXISTS kept; CREATE TABLE kept (n int)")
    first = postgres.port
    postgres.stop()
    with socket.create_server(("127.0.0.1", first)):
        postgres.start()
        assert postgres.port != first
        assert query(postgres.url, "SELECT count(*) FROM kept") == ["0"]


def test_a_stale_pid_file_of_a_living_stranger_does_not_stop_the_start(
    postgres: PostgresEngine, query: Query
) -> None:
    postgres.stop()
    stranger = f"{os.getpid()}\n{postgres.data}\n1\n{postgres.port}\n\n127.0.0.1\n"
    (postgres.data / "postmaster.pid").write_text(stranger)
    postgres.start()
    assert query(postgres.url, "SELECT 1") == ["1"]


def test_a_lost_password_file_is_explained(postgres: PostgresEngine) -> None:
    postgres.stop()
    hidden = (postgres.folder / "password").rename(postgres.folder / "hidden")
    with pytest.raises(EngineFailed, match="Put the file back"):
        postgres.start()
    assert postgres.pid is None
    hidden.rename(postgres.folder / "password")


@pytest.mark.parametrize("seconds", [0.15, 0.45, 0.7])
def test_a_first_start_that_was_killed_is_repaired(
    tmp_path: Path, spawn: Spawn, query: Query, seconds: float
) -> None:
    folder = tmp_path / "postgres"
    half = spawn(folder, code=CREATE_ONLY)
    assert half.stdout
    assert "creating" in half.stdout.readline()
    time.sleep(seconds)  # the moment is the point; each is another step of the first start
    _kill_with_guards(half)
    engine = PostgresEngine(folder)
    engine.start()
    try:
        assert query(engine.url, "SELECT current_database()") == ["polystore"]
    finally:
        engine.stop()


def _kill_with_guards(parent: subprocess.Popen[str]) -> None:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
            if int(fields[1]) == parent.pid:
                os.kill(int(stat.parent.name), signal.SIGKILL)
    parent.kill()


def _kill_until_back(postgres: PostgresEngine, query: Query, eventually: Eventually) -> None:
    killed = postgres.pid
    assert killed
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: postgres.pid not in (killed, None), "a new postmaster")
    eventually(lambda: query(postgres.url, "SELECT 1") == ["1"], "it answers on its old port")


def _has_rows(query: Query, postgres: PostgresEngine, enough: int) -> bool:
    return _rows(query, postgres) > enough


def _rows(query: Query, postgres: PostgresEngine) -> int:
    return int((query(postgres.url, "SELECT count(*) FROM acks") or ["0"])[0])
