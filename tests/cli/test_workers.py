"""``polystore serve --workers 2``: one socket, workers that are replaced, and an orderly end."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from service.cli.server import ShutdownSignal
from service.cli.workers import WorkerFailed, Workers
from service.settings import Settings
from tests.fixtures.load import under_load
from tests.fixtures.service import RunningService, on_stores_of, running_service

pytestmark = [pytest.mark.failover, pytest.mark.xdist_group("cli_workers")]
TWO = {"POLYSTORE_WORKERS": "2"}


@pytest.fixture(scope="module")
def served(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    """Two workers on the stores of this run."""
    environment = {**TWO, "POLYSTORE_DRAIN_SECONDS": "0.5", **on_stores_of(settings)}
    with running_service(tmp_path_factory.mktemp("workers"), **environment) as service:
        wait_for_workers(service, 2)
        yield service


def workers_of(service: RunningService) -> set[int]:
    """Return the process ids of the workers."""
    parent = service.process.pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return {int(pid) for pid in children if b"spawn_main" in command_of(int(pid))}


def command_of(pid: int) -> bytes:
    """Return the command line of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def listens(pid: int) -> bool:
    """Return whether a worker serves: it has changed its group before, and an event loop since."""
    try:
        links = [link.readlink().name for link in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return False
    return any("eventpoll" in name for name in links)


def wait_for_workers(service: RunningService, count: int, without: int = 0) -> set[int]:
    """Wait until so many workers serve, and none of them is ``without``; return them."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = workers_of(service)
        if len(found) == count and without not in found and all(map(listens, found)):
            return found
        time.sleep(0.05)
    raise AssertionError(f"not {count} workers:\n{service.log.read_text()}")


def test_serve_two_workers_print_the_addresses_once(served: RunningService) -> None:
    assert served.log.read_text().count("API ") == 1
    assert len(workers_of(served)) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_two_workers_signal_ends_all(
    settings: Settings, tmp_path: Path, number: signal.Signals
) -> None:
    with running_service(tmp_path, **TWO, **on_stores_of(settings)) as service:
        workers = wait_for_workers(service, 2)
        assert service.end(number) == 0
        assert not any(map(command_of, workers))
        assert "Traceback" not in service.log.read_text()


def test_serve_sigterm_to_each_process_drains_all(settings: Settings, tmp_path: Path) -> None:
    """As systemd ends a service; only the parent's second SIGTERM ends the drain."""
    environment = {**TWO, "POLYSTORE_DRAIN_SECONDS": "3600", **on_stores_of(settings)}
    with running_service(tmp_path, **environment) as service:
        for worker in wait_for_workers(service, 2):
            os.kill(worker, signal.SIGTERM)
        service.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 60
        while httpx2.get(f"{service.url}/readyz", timeout=30).status_code == 200:
            assert time.monotonic() < deadline
        assert httpx2.get(f"{service.url}/livez", timeout=30).status_code == 200
        assert service.end(signal.SIGTERM) == 0


def test_serve_killed_worker_is_replaced(served: RunningService) -> None:
    killed, left = workers_of(served)
    os.kill(killed, signal.SIGKILL)
    assert left in wait_for_workers(served, 2, without=killed)
    assert httpx2.get(f"{served.url}/livez").status_code == 200


async def test_serve_sighup_under_load_breaks_no_request(served: RunningService) -> None:
    before = wait_for_workers(served, 2)
    async with under_load(served.url, "/livez", "/readyz") as load:
        await load.wait_for(100)
        served.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(240):
            while before & (left := workers_of(served)) or len(left) != 2:
                await load.wait_for(1)
        await load.wait_for(100)
    assert load.failures == []
    # A probe of /readyz may find a store busy under this load.
    assert {status for path, status in load.responses if path == "/livez"} == {200}


def test_serve_killed_parent_takes_workers_and_engines(service_folder: Path) -> None:
    with running_service(service_folder, **TWO) as service:
        workers = wait_for_workers(service, 2)
        service.end(signal.SIGKILL)
        port = int(service.url.rpartition(":")[2])
        deadline = time.monotonic() + 20
        while any(map(command_of, workers)):
            assert time.monotonic() < deadline, "a worker is left"
            time.sleep(0.05)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


def test_workers_that_cannot_start_are_an_error(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url=None, mongodb_url=None, workers=2)
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(WorkerFailed):
        Workers(settings, listener).run(ShutdownSignal())
