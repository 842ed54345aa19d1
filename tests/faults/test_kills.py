"""kill -9 of postgres, of mongod and of the API, then SIGTERM.

What was acknowledged is stored; clients that follow the log get the end, and delay no shutdown.
"""

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import httpx2
import psutil
import pytest

from tests.documents.predictions.factories import make_event
from tests.fixtures.service import RunningService, running_service

pytestmark = [pytest.mark.failover, pytest.mark.xdist_group("kills")]

ACKNOWLEDGED, WRITERS_EACH = 30, 3
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


async def lost_of(service: RunningService, writers: list[Writers]) -> list[str]:
    """Return what was acknowledged and is not there."""
    async with httpx2.AsyncClient(
        base_url=service.url, timeout=10, headers=service.headers
    ) as client:
        return [
            location
            for writer in writers
            for location in writer.acknowledged
            if (await client.get(location)).status_code != 200
        ]


class Tail:
    """A client that follows the events of one model, and what it was sent."""

    def __init__(self, service: RunningService, model: str) -> None:
        self.service, self.model = service, model
        self.begun = asyncio.Event()
        self.received: list[dict[str, Any]] = []

    async def follow(self) -> None:
        """Follow until the service ends the response."""
        async with (
            httpx2.AsyncClient(base_url=self.service.url, timeout=30) as client,
            client.stream(
                "GET",
                "/v1/predictions/tail",
                params={"model": self.model},
                headers=self.service.administrator,
            ) as answer,
        ):
            async for line in answer.aiter_lines():
                if line.startswith("data:"):
                    self.received.append(json.loads(line.removeprefix("data:")))
                self.begun.set()


class Outcome(NamedTuple):
    """The state after the kills, and after SIGTERM."""

    killed: list[Writers]
    lost: list[str]
    ended: list[Writers]
    exit_code: int
    orphans: list[psutil.Process]
    event: dict[str, Any]
    tail: list[dict[str, Any]]
    log: str


@pytest.fixture(scope="module")
async def outcome(
    prepared_service_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Outcome:
    """Kill each process while clients write; start again and end in order while they write."""
    folder = tmp_path_factory.mktemp("kills") / "service"
    shutil.copytree(prepared_service_folder, folder)
    with running_service(folder) as service:
        async with writing(service, *KINDS) as killed:
            users, items, predictions = killed
            await asyncio.gather(*[writer.more() for writer in killed])
            os.kill(engine_of(service, "postgres").pid, signal.SIGKILL)
            await asyncio.gather(users.more(), items.more())
            os.kill(engine_of(service, "mongod").pid, signal.SIGKILL)
            await asyncio.gather(users.more(), items.more(), predictions.more())
            service.end(signal.SIGKILL)
    with running_service(folder) as service:
        lost = await lost_of(service, killed)
        family = psutil.Process(service.process.pid).children(recursive=True)
        event = make_event(model="followed")
        tail = Tail(service, event["model"])
        following = asyncio.create_task(tail.follow())
        async with asyncio.timeout(30), httpx2.AsyncClient(base_url=service.url) as client:
            await tail.begun.wait()
            sent = await client.post("/v1/predictions", json=event, headers=service.headers)
            assert sent.status_code == 201, sent.text
            while not tail.received:
                await asyncio.sleep(0.01)
        async with writing(service, *KINDS) as ended:
            await asyncio.gather(*[writer.more() for writer in ended])
            exit_code = await asyncio.to_thread(service.end, signal.SIGTERM)
        await asyncio.wait_for(following, 30)
        orphans = psutil.wait_procs(family, timeout=30)[1]
    log = service.log.read_text()
    return Outcome(killed, lost, ended, exit_code, orphans, event, tail.received, log)


def test_kill_of_each_process_loses_nothing_acknowledged(outcome: Outcome) -> None:
    assert outcome.lost == []
    assert set().union(*[writer.statuses for writer in outcome.killed]) <= {201} | REFUSALS


def test_sigterm_while_clients_write_finishes_their_requests(outcome: Outcome) -> None:
    assert outcome.exit_code == 0
    assert set().union(*[writer.statuses for writer in outcome.ended]) <= {201} | REFUSALS


def test_sigterm_leaves_no_engine_behind(outcome: Outcome) -> None:
    assert outcome.orphans == []


def test_sigterm_ends_an_open_tail_without_waiting_for_it(outcome: Outcome) -> None:
    received = [event.get("prediction_id") for event in outcome.tail]
    assert received == [outcome.event["prediction_id"], None]
    assert outcome.tail[-1]["code"] == "leaving"
    assert "graceful shutdown exceeded" not in outcome.log
