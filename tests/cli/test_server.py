"""SIGTERM: readiness fails first, requests are answered meanwhile, and clients move away."""

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from service.settings import Settings
from tests.fixtures.balancer import Balancer, balancing
from tests.fixtures.load import Load, under_load
from tests.fixtures.service import RunningService, on_stores_of, running_service

pytestmark = [pytest.mark.failover, pytest.mark.xdist_group("cli_server")]


@pytest.fixture
def services() -> Iterator[ExitStack]:
    """The services that a test starts."""
    with ExitStack() as stack:
        yield stack


def start(
    services: ExitStack, settings: Settings, folder: Path, drain_seconds: float
) -> RunningService:
    """Start a service on the stores of this run."""
    environment = {"POLYSTORE_DRAIN_SECONDS": str(drain_seconds), **on_stores_of(settings)}
    return services.enter_context(running_service(folder, **environment))


def wait_until_draining(client: httpx2.Client) -> httpx2.Response:
    """Return the first response of /readyz that is no 200."""
    deadline = time.monotonic() + 30
    while (answer := client.get("/readyz")).status_code == 200:
        assert time.monotonic() < deadline
    return answer


def test_sigterm_fails_readiness_and_answers_requests_until_a_second(
    settings: Settings, services: ExitStack, tmp_path: Path
) -> None:
    service = start(services, settings, tmp_path, drain_seconds=3600)
    with httpx2.Client(base_url=service.url, timeout=30) as client:
        assert "connection" not in client.get("/livez").headers
        service.process.send_signal(signal.SIGTERM)
        unready = wait_until_draining(client)
        alive = client.get("/livez")
    assert unready.status_code == 503
    assert (unready.json()["status"], unready.json()["reason"]) == ("not_ready", "shutting down")
    assert all(unready.json()[store]["ok"] for store in ("postgresql", "mongodb"))
    assert (alive.status_code, alive.headers["connection"]) == (200, "close")
    assert service.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_drain_ends_at_ctrl_c_and_after_its_time(
    settings: Settings, services: ExitStack, tmp_path: Path, number: signal.Signals
) -> None:
    seconds = 3600 if number == signal.SIGINT else 1
    service = start(services, settings, tmp_path, drain_seconds=seconds)
    began = time.monotonic()
    assert service.end(number) == 0
    assert number == signal.SIGINT or time.monotonic() - began >= 1


async def restart_both(
    balancer: Balancer, services: ExitStack, settings: Settings, folder: Path, drain_seconds: float
) -> Load:
    """Replace two services behind a balancer, one after the other under load."""

    def started(name: str) -> RunningService:
        return start(services, settings, folder / name, drain_seconds)

    running = [await asyncio.to_thread(started, name) for name in ("a", "b")]
    for service in running:
        balancer.add(service.url)
        await balancer.wait_until(service.url, ready=True)
    async with under_load(balancer.url, "/livez", "/openapi.json") as load:
        for index, service in enumerate(running):
            await load.wait_for(50)
            assert await asyncio.to_thread(service.end, signal.SIGTERM) == 0
            await balancer.wait_until(service.url, ready=False)
            replacement = await asyncio.to_thread(started, f"replacement_{index}")
            balancer.add(replacement.url)
            await balancer.wait_until(replacement.url, ready=True)
        await load.wait_for(50)
    return load


@pytest.mark.parametrize("drain_seconds", [2.0, 0.0])
async def test_restart_behind_a_balancer_breaks_requests_only_undrained(
    settings: Settings, services: ExitStack, tmp_path: Path, drain_seconds: float
) -> None:
    async with balancing() as balancer:
        load = await restart_both(balancer, services, settings, tmp_path, drain_seconds)
    assert load.responses["/livez", 200] > 150
    if drain_seconds:
        assert load.failures == []
    else:  # kept-alive connections were closed in the face of requests
        assert load.failures != []
