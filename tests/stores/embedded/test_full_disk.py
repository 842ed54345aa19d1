"""Engines on a full disk: what was acknowledged stays, and they serve again when space is back."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from service.stores.embedded import MongoEngine, PostgresEngine
from service.stores.embedded.engine import Engine, disk_trouble
from tests.stores.embedded.probes import processes_in, query, wait_until

pytestmark = [pytest.mark.failover, pytest.mark.xdist_group("embedded_mongo")]

DISK_MB = 900  # the engines take 500
ROW_BYTES = 100_000
SERVED_AGAIN_SECONDS = 90.0  # the longest delay is 10; the rest is for a busy machine


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own in memory; only root may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=0700", "none", str(disk)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted: {mounted.stderr.strip()}")
    yield disk
    wait_until(lambda: not processes_in(disk), "the engines end")
    subprocess.run(["umount", str(disk)], check=True)


class Rows:
    """Numbered rows of 100 kB in one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.acknowledged = engine, set[int]()

    def write(self, number: int) -> bool:
        """Write a row; return whether it was acknowledged."""
        raise NotImplementedError

    def read(self) -> set[int]:
        """Return the numbers of all rows; none if the engine does not answer."""
        raise NotImplementedError

    def write_until_refused(self) -> None:
        """Write rows until two in a row are refused."""
        number = max(self.acknowledged, default=0)
        refused = 0
        while refused < 2:
            number += 1
            if self.write(number):
                self.acknowledged.add(number)
                refused = 0
            else:
                refused += 1


class PostgresRows(Rows):
    def write(self, number: int) -> bool:
        # Random text, because PostgreSQL would compress the row to a few bytes.
        text = "string_agg(md5(random()::text), '')"
        rows = f"SELECT {number}, {text} FROM generate_series(1, {ROW_BYTES // 32})"  # noqa: S608
        written = f"INSERT INTO rows {rows} RETURNING n"
        schema = "CREATE TABLE IF NOT EXISTS rows (n int, x text)"
        return query(self.engine.url, f"{schema}; {written}")[-1:] == [str(number)]

    def read(self) -> set[int]:
        return {int(line) for line in query(self.engine.url, "SELECT n FROM rows")}


class MongoRows(Rows):
    def _client(self) -> MongoClient[dict[str, object]]:
        return MongoClient(self.engine.url, timeoutMS=3000, w="majority", journal=True)

    def write(self, number: int) -> bool:
        row = {"_id": number, "x": os.urandom(ROW_BYTES)}
        with suppress(PyMongoError), self._client() as client:
            client.get_default_database()["rows"].insert_one(row)
            return True
        return False

    def read(self) -> set[int]:
        with suppress(PyMongoError), self._client() as client:
            found = client.get_default_database()["rows"].find({}, {"_id": 1})
            return {int(str(row["_id"])) for row in found}
        return set()


@pytest.mark.parametrize(
    ("kind", "rows_of", "reads_on"),
    [(PostgresEngine, PostgresRows, True), (MongoEngine, MongoRows, False)],
    ids=["postgresql", "mongodb"],
)
def test_engine_on_a_full_disk_serves_again_with_all_rows(
    prepared_data: Path,
    small_disk: Path,
    kind: type[Engine],
    rows_of: type[Rows],
    *,
    reads_on: bool,
) -> None:
    """PostgreSQL refuses to write and reads on; MongoDB ends itself where its journal is full."""
    name = "postgres" if kind is PostgresEngine else "mongodb"
    folder = shutil.copytree(prepared_data / name, small_disk / name)
    lines: list[str] = []
    engine = kind(folder, on_progress=lines.append)
    engine.start()
    rows = rows_of(engine)
    try:
        assert rows.write(1)
        rows.acknowledged.add(1)
        fill(small_disk / "ballast")
        rows.write_until_refused()
        assert not reads_on or rows.read() >= rows.acknowledged
        if engine.pid is not None:  # the engine then recovers on the full disk, or cannot
            with suppress(ProcessLookupError):
                os.kill(engine.pid, signal.SIGKILL)
        wait_long(lambda: any("the disk is full" in line for line in lines), "it is said")
        (small_disk / "ballast").unlink()
        wait_long(lambda: rows.read() >= rows.acknowledged, "all rows are served again")
        assert rows.write(max(rows.acknowledged) + 100)
    finally:
        engine.stop()


def fill(ballast: Path) -> None:
    """Write a file that leaves no space on its file system."""
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(1_000_000)):
            pass
    assert shutil.disk_usage(ballast.parent).free < 1_000_000


def wait_long(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + SERVED_AGAIN_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"did not happen: {what}"
        time.sleep(0.1)


def test_disk_trouble_full_and_read_only_are_named(small_disk: Path) -> None:
    assert disk_trouble(small_disk) == ""
    fill(small_disk / "ballast")
    assert "the disk is full: 0 MB are free" in disk_trouble(small_disk)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert "is read-only" in disk_trouble(small_disk)
