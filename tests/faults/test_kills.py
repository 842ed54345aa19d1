"""kill -9 of the API, of postgres and of mongod: what was acknowledged is there."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import psutil
import pytest

from tests.fixtures.service import RunningService, running_service

pytestmark = pytest.mark.faults

ACKNOWLEDGED, WRITERS_EACH = 60, 3
REFUSALS = {503}


def engine_of(service: RunningService, name: str) -> psutil.Process:
    children = psutil.Process(service.process.pid).children(recursive=True)
    named = [process for process in children if process.name() == name]
    return min(named, key=lambda process: process.create_time())


def user() -> dict[str, Any]:
    name = f"u{uuid4().hex}"
    return {"username": name, "email": f"{name}@example.com"}


def item() -> dict[str, Any]:
    return {"name": f"item {uuid4()}", "attributes": {"n": 1}}


def prediction() -> dict[str, Any]:
    return {
        "prediction_id": str(uuid4()),
        "timestamp": "2026-11-20T12:00:00Z",
        "model": "killed",
        "version": "1",
        "features": {"x": 1.5},
        "output": {"score": 0.5},
    }


KINDS: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
    "users": ("/v1/users", user),
    "items": ("/v1/items", item),
    "predictions": ("/v1/predictions", prediction),
}


class Writers:
    """Clients that write one kind for ever, and what was acknowledged to them."""

    def __init__(self, service: RunningService, kind: str) -> None:
        self.path, self.make = KINDS[kind]
        self.url, self.headers = service.url, service.headers
        self.acknowledged: list[str] = []
        self.statuses: set[int] = set()

    async def write(self) -> None:
        async with httpx2.AsyncClient(
            base_url=self.url, timeout=10, headers=self.headers
        ) as client:
            while True:
                with suppress(httpx2.TransportError):
                    response = await client.post(self.path, json=self.make())
                    self.statuses.add(response.status_code)
                    if response.is_success:
                        self.acknowledged.append(response.headers["location"])
                        continue
                await asyncio.sleep(0.02)

    async def more(self) -> None:
        """Until some more were acknowledged."""
        enough = len(self.acknowledged) + ACKNOWLEDGED
        async with asyncio.timeout(40):
            while len(self.acknowledged) < enough:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def writing(service: RunningService, *kinds: str) -> AsyncIterator[list[Writers]]:
    writers = [Writers(service, kind) for kind in kinds]
    tasks = [asyncio.create_task(writer.write()) for writer in writers * WRITERS_EACH]
    try:
        yield writers
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def assert_all_stored(service: RunningService, writers: list[Writers]) -> None:
    async with httpx2.AsyncClient(
        base_url=service.url, timeout=10, headers=service.headers
    ) as client:
        for writer in writers:
            assert writer.statuses <= {201} | REFUSALS
            for location in writer.acknowledged:
                assert (await client.get(location)).status_code == 200, f"{location} is lost"


async def test_what_was_acknowledged_survives_the_death_of_each_process(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        async with writing(service, *KINDS) as writers:
            users, items, predictions = writers
            await asyncio.gather(*[writer.more() for writer in writers])
            os.kill(engine_of(service, "postgres").pid, signal.SIGKILL)
            await asyncio.gather(users.more(), items.more())
            os.kill(engine_of(service, "mongod").pid, signal.SIGKILL)
            await asyncio.gather(users.more(), items.more(), predictions.more())
            service.end(signal.SIGKILL)
    with running_service(tmp_path) as service:
        await assert_all_stored(service, writers)


async def test_sigterm_finishes_what_is_in_flight_and_leaves_no_orphan(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        family = psutil.Process(service.process.pid).children(recursive=True)
        async with writing(service, *KINDS) as writers:
            await asyncio.gather(*[writer.more() for writer in writers])
            ended = await asyncio.to_thread(service.end, signal.SIGTERM)
        assert ended == 0
        assert set().union(*[writer.statuses for writer in writers]) <= {201} | REFUSALS
        assert psutil.wait_procs(family, timeout=30)[1] == []
