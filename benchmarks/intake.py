"""The prediction log against the tutorials' way, the driver alone, and itself without a store.

    python -m benchmarks.intake --rounds 5 --seconds 3 [--json]

In turns in one run: single events by 64 clients and by one; batches and streams of 1,000; a page
of 50. Ours checks a key, and each event is hashed, there once, and durable before it is answered.
"""

import argparse
import asyncio
import json
import socket
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from pymongo import AsyncMongoClient, MongoClient, WriteConcern

from benchmarks.load import http, load, report
from benchmarks.started import Started, beside, service
from mongo_indexes.apply import apply_all
from mongo_indexes.collections.predictions import PREDICTIONS

MANY, BATCH, PAGES = 64, 1000, 8
JSON, NDJSON = "application/json", "application/x-ndjson"
EVENT = {
    "prediction_id": "ID",
    "timestamp": "2026-11-20T12:00:00.123Z",
    "model": "bench",
    "version": "1",
    "features": {f"feature_{n}": n * 1.25 for n in range(20)},
    "output": {"label": 1, "score": 0.75},
    "latency_ms": 12.5,
}
_DOCUMENT = {
    **{name: value for name, value in EVENT.items() if name != "prediction_id"},
    "timestamp": datetime(2026, 11, 20, 12, tzinfo=UTC),
    "received_at": datetime(2026, 11, 20, 12, tzinfo=UTC),
    "status": "ok",
    "role": "primary",
    "hash": bytes(16),
}
_SHAPE = json.dumps(EVENT).encode()


def event() -> bytes:
    """A new event; to make it takes little of the machine."""
    return _SHAPE.replace(b"ID", str(uuid4()).encode(), 1)


def batch(make: Callable[[], bytes] = event) -> bytes:
    return b'{"items":[' + b",".join(make() for _ in range(BATCH)) + b"]}"


def lines() -> bytes:
    return b"\n".join(event() for _ in range(BATCH))


FLOOR = "bench_floor"


def make_floor(url: str) -> None:
    """Collections like ours: all of them for the raw inserts, and the tutorials' log.

    The latter has our indexes: without them its events cost less, and its pages far more.
    """
    with MongoClient[dict[str, Any]](url) as client:
        apply_all(client[FLOOR])
        log = replace(PREDICTIONS, name="tutorial_predictions", validator=None)
        apply_all(client.get_default_database(FLOOR), collections=[log])


async def raw(
    url: str, clients: int, seconds: float, work: Callable[[Any], Awaitable[object]]
) -> int:
    """How often so many clients do ``work`` with a driver that is one's own."""
    client: Any = AsyncMongoClient(url, uuidRepresentation="standard", tz_aware=True)
    done, until = 0, time.perf_counter() + seconds

    async def again() -> None:
        nonlocal done
        while time.perf_counter() < until:
            await work(client)
            done += 1

    await asyncio.gather(*[again() for _ in range(clients)])
    await client.close()
    return done


async def insert_batch(client: Any) -> None:
    """An ``insert_many`` of a batch, as durable and indexed as ours."""
    durable = WriteConcern(w="majority", j=True)
    documents = [{**_DOCUMENT, "_id": uuid4()} for _ in range(BATCH)]
    log = client[FLOOR].get_collection("predictions", write_concern=durable)
    await log.insert_many(documents, ordered=False)


async def find_page(client: Any) -> None:
    """What is on a page of ours, decoded and no more."""
    log = client.get_default_database(FLOOR)["predictions"]
    await log.find({"model": "bench"}).sort([("timestamp", -1), ("_id", -1)]).limit(51).to_list()


def milliseconds(seconds: list[float], share: float) -> float:
    return sorted(seconds)[int(len(seconds) * share)] * 1000


class Bench:
    """Where the three are, and how long each of the rounds takes."""

    def __init__(self, ours: Started, ports: tuple[int, int], rounds: int, seconds: float) -> None:
        self.ours, (self.tutorial, self.bare) = ours, ports
        self.rounds, self.seconds = rounds, seconds
        self.key = {"Authorization": f"Bearer {ours.key}"}

    def ask(
        self, port: int, request: Callable[[], bytes], clients: int, status: bytes
    ) -> list[float]:
        return asyncio.run(load(port, request, clients, self.seconds, status))

    def by_driver(self, work: Callable[[Any], Awaitable[object]], clients: int) -> int:
        return asyncio.run(raw(self.ours.mongodb_url, clients, self.seconds, work))

    def medians(self, what: str, row: Callable[[], dict[str, float]]) -> dict[str, Any]:
        rows = [row() for _ in range(self.rounds)]
        return {"what": what} | {
            name: statistics.median(each[name] for each in rows) for name in rows[0]
        }

    def single(self, clients: int) -> dict[str, Any]:
        def row() -> dict[str, float]:
            def post() -> bytes:
                return http("POST", "/v1/predictions", event(), **self.key)

            ours = self.ask(self.ours.port, post, clients, b"201")
            theirs = self.ask(self.tutorial, post, clients, b"201")
            bare = self.ask(self.bare, post, clients, b"201")
            return {
                "per_second": len(ours) / self.seconds,
                "to_tutorial": len(ours) / len(theirs),
                "to_no_store": len(ours) / len(bare),
                "p50_ms": milliseconds(ours, 0.5),
                "p99_ms": milliseconds(ours, 0.99),
            }

        return self.medians(f"single events, clients: {clients}", row)

    def many(self, path: str, make: Callable[[], bytes], kind: str, clients: int) -> dict[str, Any]:
        def row() -> dict[str, float]:
            def post() -> bytes:
                return http("POST", f"/v1/predictions/{path}", make(), kind=kind, **self.key)

            ours = len(self.ask(self.ours.port, post, clients, b"200"))
            theirs = self.by_driver(insert_batch, clients)
            return {"per_second": ours * BATCH / self.seconds, "to_raw": ours / theirs}

        return self.medians(f"{path} of {BATCH}, clients: {clients}", row)

    def page(self) -> dict[str, Any]:
        def row() -> dict[str, float]:
            def get() -> bytes:
                return http("GET", "/v1/predictions?model=bench&limit=50", **self.key)

            ours = self.ask(self.ours.port, get, PAGES, b"200")
            theirs = self.ask(self.tutorial, get, PAGES, b"200")
            return {
                "per_second": len(ours) / self.seconds,
                "to_tutorial": len(ours) / len(theirs),
                "to_raw": len(ours) / self.by_driver(find_page, PAGES),
                "p99_ms": milliseconds(ours, 0.99),
            }

        return self.medians(f"page of 50, clients: {PAGES}", row)

    def all(self) -> list[dict[str, Any]]:
        return [
            self.single(MANY),
            self.single(1),
            self.many("batch", batch, JSON, 1),
            self.many("batch", batch, JSON, 4),
            self.many("stream", lines, NDJSON, 4),
            self.page(),
        ]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def main() -> None:
    parser = argparse.ArgumentParser(description="The prediction log against three floors.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()
    ports = free_port(), free_port()
    with service() as ours:
        make_floor(ours.mongodb_url)
        urls = {"DATABASE_URL": ours.database_url, "MONGODB_URL": ours.mongodb_url}
        with (
            beside("benchmarks.tutorial_log:app", ports[0], **urls),
            beside("benchmarks.no_store:app", ports[1], **ours.environment),
        ):
            found = Bench(ours, ports, told.rounds, told.seconds).all()
    report(found, as_json=told.json)


if __name__ == "__main__":
    main()
