"""Clients that write every kind of document without a pause, and what was acknowledged to them.

A request that is refused with 503 is sent again, with the same ids, until it is acknowledged.
"""

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import uuid4

import httpx2
from bson import UuidRepresentation
from bson.codec_options import CodecOptions
from pymongo import MongoClient
from pymongo.read_concern import ReadConcern

from tests.documents.predictions.factories import make_event, make_events
from tests.fixtures.cpu_time import cpu_wait_seconds
from tests.fixtures.replica_set import ReplicaSet

MODEL = "failover"
PAUSE_SECONDS, BATCH, ENOUGH = 0.02, 10, 5
CODEC: CodecOptions[dict[str, Any]] = CodecOptions(
    tz_aware=True, uuid_representation=UuidRepresentation.STANDARD
)
log = logging.getLogger(__name__)
LABEL = {"label": 1, "observed_at": "2026-01-06T08:00:00Z", "source": "load"}


class Write(NamedTuple):
    """One request, the ids that it writes, and where they can be read."""

    method: str
    path: str
    body: dict[str, Any]
    ids: list[str]
    headers: dict[str, str] = {}
    read: str | None = None
    repeat: bool = True


def one_event() -> Write:
    event = make_event(model=MODEL)
    key = event["prediction_id"]
    return Write("POST", "/v1/predictions", event, [key], read=f"/v1/predictions/{key}")


def batch_of_events() -> Write:
    events = make_events(BATCH, model=MODEL)
    ids = [event["prediction_id"] for event in events]
    return Write(
        "POST", "/v1/predictions/batch", {"items": events}, ids, read=f"/v1/predictions/{ids[-1]}"
    )


def one_label() -> Write:
    key = str(uuid4())
    return Write("PUT", f"/v1/predictions/{key}/feedback", LABEL, [key])


def batch_of_labels() -> Write:
    ids = [str(uuid4()) for _ in range(BATCH)]
    labels = [{"prediction_id": key, **LABEL} for key in ids]
    return Write("POST", "/v1/labels/batch", {"items": labels}, ids)


def item_with_a_key() -> Write:
    name = str(uuid4())
    return Write("POST", "/v1/items", {"name": name}, [name], {"Idempotency-Key": name})


def item_sent_once() -> Write:
    name = str(uuid4())
    return Write("POST", "/v1/items", {"name": name}, [name], repeat=False)


KINDS: dict[str, Callable[[], Write]] = {
    make.__name__: make
    for make in (
        one_event,
        batch_of_events,
        one_label,
        batch_of_labels,
        item_with_a_key,
        item_sent_once,
    )
}
WRITERS_EACH = 2
EVENTS, LABELS = ("one_event", "batch_of_events"), ("one_label", "batch_of_labels")
ITEMS = ("item_with_a_key", "item_sent_once")
STORED_AS = {"events": EVENTS, "labels": LABELS, "items": ITEMS}


class Gaps(NamedTuple):
    """For how many seconds no write of each kind was acknowledged, while elections were held."""

    elections: int
    seconds: dict[str, float]


def response_clock() -> float:
    """Return the seconds of a clock that stands still while this thread needs a processor.

    Other threads do not stop it: those that watch the replica set would hide most of a wait.
    """
    return time.monotonic() - cpu_wait_seconds()


class Load:
    """The writers, and the responses to them."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client
        self.is_over = False
        self.acknowledged: dict[str, list[str]] = {kind: [] for kind in KINDS}
        self.moments: dict[str, list[float]] = {kind: [] for kind in KINDS}
        self.sent: dict[str, list[str]] = {kind: [] for kind in KINDS}
        self.responses: Counter[tuple[str, int, str]] = Counter()
        self.slowest: dict[str, float] = dict.fromkeys(KINDS, 0.0)

    async def write(self, kind: str) -> None:
        while not self.is_over:
            await self._write_until_acknowledged(kind, KINDS[kind]())
            await asyncio.sleep(PAUSE_SECONDS)

    async def _write_until_acknowledged(self, kind: str, write: Write) -> None:
        self.sent[kind] += write.ids
        while True:
            response = await self._send(
                kind, write.method, write.path, json=write.body, headers=write.headers
            )
            if response.is_success:
                break
            if response.status_code != 503 or not write.repeat:
                return
            await asyncio.sleep(PAUSE_SECONDS)
        self.acknowledged[kind] += write.ids
        self.moments[kind].append(time.monotonic())
        read = write.read or response.headers.get("location")
        if read is not None:
            await self._send(kind, "GET", read)

    async def _send(self, kind: str, method: str, path: str, **content: Any) -> httpx2.Response:
        began = response_clock()
        response = await self._client.request(method, path, **content)
        self.slowest[kind] = max(self.slowest[kind], response_clock() - began)
        code = "" if response.is_success else response.json()["code"]
        self.responses[method, response.status_code, code] += 1
        return response

    async def more(self) -> None:
        """Wait until some more of each kind are acknowledged."""
        enough = {kind: len(moments) + ENOUGH for kind, moments in self.moments.items()}
        async with asyncio.timeout(60):
            while any(len(self.moments[kind]) < enough[kind] for kind in KINDS):
                await asyncio.sleep(0.01)

    async def gaps_of(self, fault: Callable[[ReplicaSet], None], members: ReplicaSet) -> Gaps:
        """Give the set a fault, and return for how long no write was acknowledged."""
        await self.more()
        term = await asyncio.to_thread(members.term)
        began = time.monotonic()
        await asyncio.to_thread(fault, members)
        elections = await asyncio.to_thread(members.term) - term
        log.info("new primary after %.2f s, %d elections", time.monotonic() - began, elections)
        await self.more()
        seconds = {kind: _longest_gap(began, moments) for kind, moments in self.moments.items()}
        log.info("no acknowledged write for %.2f s: %s", max(seconds.values()), seconds)
        return Gaps(elections, seconds)


def _longest_gap(since: float, moments: list[float]) -> float:
    points = [since, *(moment for moment in moments if moment >= since)]
    return max(after - before for before, after in pairwise(points))


@asynccontextmanager
async def loaded(client: httpx2.AsyncClient) -> AsyncIterator[Load]:
    """Write all kinds during the block; afterwards no request is under way.

    Each writer ends with a response, because the service goes on with a request whose client left.
    """
    load = Load(client)
    tasks = [asyncio.create_task(load.write(kind)) for kind in KINDS for _ in range(WRITERS_EACH)]
    try:
        yield load
        load.is_over = True
        await asyncio.wait(tasks, timeout=30)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert ended == [None] * len(tasks), "a writer failed, or had no response"


class Tail:
    """A client that follows the events of one model in one response."""

    def __init__(self, client: httpx2.AsyncClient, model: str) -> None:
        self._client, self._model = client, model
        self._begun = asyncio.Event()
        self.received: list[str] = []
        self.comments = 0

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Follow during the block."""
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self._follow())
            await asyncio.wait_for(self._begun.wait(), 10)
            yield
            task.cancel()

    async def _follow(self) -> None:
        query = {"model": self._model}
        async with self._client.stream("GET", "/v1/predictions/tail", params=query) as response:
            assert response.status_code == 200, response
            async for line in response.aiter_lines():
                self._begun.set()
                name, _, value = line.partition(": ")
                if name == "data":
                    event = json.loads(value)
                    assert "prediction_id" in event, f"the tail ended: {event}"
                    self.received.append(event["prediction_id"])
                self.comments += line.startswith(":")
        raise AssertionError("the tail ended without a reason")

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds."""
        async with asyncio.timeout(30):
            while not condition():
                await asyncio.sleep(0.01)


def read_stored(members: ReplicaSet, database: str) -> dict[str, Counter[str]]:
    """Count what a majority has: events by id, labels by prediction, items by name."""
    url = f"mongodb://{members.primary().host}/?directConnection=true"
    with MongoClient[dict[str, Any]](url) as direct:
        data = direct.get_database(database, CODEC, read_concern=ReadConcern("majority"))
        return {
            "events": Counter(str(event["_id"]) for event in data["predictions"].find({}, {})),
            "labels": Counter(
                {str(one["_id"]): len(one["history"]) for one in data["feedback"].find()}
            ),
            "items": Counter(item["name"] for item in data["items"].find()),
        }
