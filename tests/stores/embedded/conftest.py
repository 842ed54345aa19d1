"""Ways to look at the engines from outside: SQL through psql, processes through /proc."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import pytest

from service.stores.embedded.binaries import find_binaries

ROOT = Path(__file__).parents[3]
HOLD = """
import socket, sys, time
from pathlib import Path
from urllib.parse import urlsplit
from service.stores.embedded import embedded_stores
with embedded_stores(Path(sys.argv[1])) as urls:
    try:
        print(urls.database_url, urls.mongodb_url, flush=True)
        time.sleep(600)
    except KeyboardInterrupt:
        time.sleep(0.2)
        for url in urls:  # a service still finishes its requests now
            socket.create_connection(("127.0.0.1", urlsplit(url).port)).close()
        print("both still there", flush=True)
"""

Query = Callable[[str, str], list[str]]
Processes = Callable[[Path], list[int]]
Eventually = Callable[[Callable[[], object], str], None]


class Spawn(Protocol):
    """Start a Python process that holds ``embedded_stores`` on a folder."""

    def __call__(
        self, folder: Path, *, code: str = HOLD, command: tuple[str, ...] = ()
    ) -> subprocess.Popen[str]: ...


@pytest.fixture(scope="session")
def query() -> Query:
    """Run SQL on a database URL; the lines of the answer, also those before a lost connection."""
    psql = find_binaries().postgres / "bin" / "psql"

    def run(url: str, sql: str) -> list[str]:
        place = urlsplit(url)
        login = subprocess.run(
            [
                str(psql),
                *("-XAtqw", "-h", "127.0.0.1", "-p", str(place.port)),
                *("-U", "polystore", "-d", place.path[1:]),
            ],
            input=sql,
            env={"PGPASSWORD": place.password or "", "PGCONNECT_TIMEOUT": "10"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=False,
        )
        return login.stdout.split("\n")[:-1]

    return run


@pytest.fixture(scope="session")
def eventually() -> Eventually:
    """Wait until a condition holds, twenty seconds at most."""

    def wait(condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, f"did not happen: {what}"
            time.sleep(0.02)

    return wait


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Start processes as ``Spawn`` says; what still runs at the end of the test is ended."""
    started: list[subprocess.Popen[str]] = []

    def start(
        folder: Path, *, code: str = HOLD, command: tuple[str, ...] = ()
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*(command or (sys.executable,)), "-c", code, str(folder)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path[1:]])},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # so that a test can press Ctrl-C on its whole group
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def working_in() -> Processes:
    """Processes whose working folder is inside a folder: the engines and their backends."""

    def find(folder: Path) -> list[int]:
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "cwd").readlink().is_relative_to(folder):
                    found.append(int(process.name))
            except OSError:
                continue  # it has just ended
        return found

    return find
