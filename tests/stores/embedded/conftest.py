"""Data folders for the engines, and processes that run them."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.stores.embedded import embedded_stores
from tests.stores.embedded.probes import Spawn, processes_in, wait_until

ROOT = Path(__file__).parents[3]
MEMORY = Path("/dev/shm")  # noqa: S108  a file system in memory, and the folders in it are private
MEMORY_BYTES = 2 * 1024**3  # containers often have 64 MiB there
# A shell that starts the suite with "&" lets it ignore SIGINT, which its processes would inherit.
RUN_STORES = """
import signal, socket, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from pathlib import Path
from urllib.parse import urlsplit
from service.stores.embedded import embedded_stores
with embedded_stores(Path(sys.argv[1])) as urls:
    try:
        print(urls.database_url, urls.mongodb_url, flush=True)
        time.sleep(600)
    except KeyboardInterrupt:
        time.sleep(0.2)
        for url in urls:  # a service finishes its requests at this time
            socket.create_connection(("127.0.0.1", urlsplit(url).port)).close()
        print("both still there", flush=True)
"""


@pytest.fixture(scope="session")
def prepared_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder after its first start, to be copied: a first start takes seconds."""
    folder = tmp_path_factory.mktemp("prepared")
    with embedded_stores(folder):
        return folder


@pytest.fixture
def memory_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory if enough of it is free, for tests that are not about durability."""
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < MEMORY_BYTES:
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(prefix="polystore-embedded-", dir=MEMORY))
    yield folder
    wait_until(lambda: not processes_in(folder), "the engines end")
    shutil.rmtree(folder)


@pytest.fixture
def data_dir(prepared_data: Path, memory_path: Path) -> Path:
    """A copy of the prepared data folder."""
    return shutil.copytree(prepared_data, memory_path / "data")


@pytest.fixture
def spawn(memory_path: Path) -> Iterator[Spawn]:
    """Start processes; end those that still run after the test."""
    started: list[subprocess.Popen[str]] = []

    def start(
        folder: Path, *, code: str = RUN_STORES, command: tuple[str, ...] = ()
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*(command or (sys.executable,)), "-c", code, str(folder)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path[1:]])},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # so that a test can send Ctrl-C to the whole group
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
