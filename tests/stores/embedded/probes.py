"""Outside views of the engines: SQL through psql, processes through /proc."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from service.stores.embedded.binaries import find_binaries

TIMEOUT_SECONDS = 20


class Spawn(Protocol):
    """Start a Python process that runs ``code`` with a folder as its argument."""

    def __call__(
        self, folder: Path, *, code: str = ..., command: tuple[str, ...] = ()
    ) -> subprocess.Popen[str]: ...


def query(url: str, sql: str) -> list[str]:
    """Run SQL on a database URL; return its output lines, also those before a lost connection."""
    address = urlsplit(url)
    psql = subprocess.run(
        [
            str(find_binaries().postgres / "bin" / "psql"),
            *("-XAtqw", "-h", "127.0.0.1", "-p", str(address.port)),
            *("-U", "polystore", "-d", address.path[1:]),
        ],
        input=sql,
        env={"PGPASSWORD": address.password or "", "PGCONNECT_TIMEOUT": "10"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return psql.stdout.split("\n")[:-1]


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition holds, twenty seconds at most."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"did not happen: {what}"
        time.sleep(0.02)


def processes_in(folder: Path) -> list[int]:
    """Return the processes with a working folder inside ``folder``: engines and their backends."""
    processes = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink().is_relative_to(folder):
                processes.append(int(process.name))
        except OSError:
            continue  # it has just ended
    return processes
