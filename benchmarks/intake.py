"""Measure the prediction log against the tutorials' way, the driver alone, and no store at all.

    python -m benchmarks.intake --rounds 5 --seconds 3 [--json]

By turns within one run: single events by 64 clients and by one; batches and streams of 1,000; a
page of 50. Ours checks an API key; each event is hashed, stored once, and durable before the
response. The columns are ours per second and the ratios to the others: ``to_tutorial``
(tutorial_log.py), ``to_raw`` (PyMongo in this process), ``to_no_store``
(service_without_store.py). The target for the page is 1.0 of the tutorials' way.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from pymongo import AsyncMongoClient, MongoClient, WriteConcern

from benchmarks.command_line import option_parser, print_rows
from benchmarks.load_generator import http_request, percentile_ms, run_load
from benchmarks.running_service import RunningService, running_application, running_service
from mongo_indexes.apply import apply_all
from mongo_indexes.collections.predictions import PREDICTIONS

MANY_CLIENTS, BATCH, PAGE_CLIENTS = 64, 1000, 8
PAGE_AIM = 1.0
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
_TEMPLATE = json.dumps(EVENT).encode()


def new_event() -> bytes:
    """Return the JSON of an event with a new id, made by replacement to save CPU."""
    return _TEMPLATE.replace(b"ID", str(uuid4()).encode(), 1)


def batch_body(event: Callable[[], bytes] = new_event) -> bytes:
    return b'{"items":[' + b",".join(event() for _ in range(BATCH)) + b"]}"


def stream_body() -> bytes:
    return b"\n".join(new_event() for _ in range(BATCH))


BASELINE = "bench_baseline"


def create_baseline(url: str) -> None:
    """Create the collections of the baselines: a copy of ours, and the tutorials' log.

    The tutorials' log has our indexes, because without them its events would cost less and its
    pages far more.
    """
    with MongoClient[dict[str, Any]](url) as client:
        apply_all(client[BASELINE])
        log = replace(PREDICTIONS, name="tutorial_predictions", validator=None)
        apply_all(client.get_default_database(BASELINE), collections=[log])


async def repeat_with_driver(
    url: str, clients: int, seconds: float, work: Callable[[Any], Awaitable[object]]
) -> int:
    """Return how often ``clients`` tasks finish ``work`` with one PyMongo client in ``seconds``."""
    client: Any = AsyncMongoClient(url, uuidRepresentation="standard", tz_aware=True)
    count, until = 0, time.perf_counter() + seconds

    async def repeat() -> None:
        nonlocal count
        while time.perf_counter() < until:
            await work(client)
            count += 1

    await asyncio.gather(*[repeat() for _ in range(clients)])
    await client.close()
    return count


async def insert_batch(client: Any) -> None:
    """Call ``insert_many`` for a batch, as durable and indexed as ours."""
    durable = WriteConcern(w="majority", j=True)
    documents = [{**_DOCUMENT, "_id": uuid4()} for _ in range(BATCH)]
    log = client[BASELINE].get_collection("predictions", write_concern=durable)
    await log.insert_many(documents, ordered=False)


async def find_page(client: Any) -> None:
    """Read the documents of one of our pages, decoded and nothing else."""
    log = client.get_default_database(BASELINE)["predictions"]
    await log.find({"model": "bench"}).sort([("timestamp", -1), ("_id", -1)]).limit(51).to_list()


class IntakeBenchmark:
    """The three services, and the number and length of the rounds."""

    def __init__(
        self,
        service: RunningService,
        tutorial_port: int,
        no_store_port: int,
        rounds: int,
        seconds: float,
    ) -> None:
        self.service, self.tutorial_port, self.no_store_port = service, tutorial_port, no_store_port
        self.rounds, self.seconds = rounds, seconds

    def run(self) -> list[dict[str, Any]]:
        return [
            self.single_events(MANY_CLIENTS),
            self.single_events(1),
            self.batches("batch", batch_body, JSON, 1),
            self.batches("batch", batch_body, JSON, 4),
            self.batches("stream", stream_body, NDJSON, 4),
            self.page(),
        ]

    def single_events(self, clients: int) -> dict[str, Any]:
        def figures() -> dict[str, float]:
            def post() -> bytes:
                return http_request("POST", "/v1/predictions", new_event(), **self.service.headers)

            ours = self._load(self.service.port, post, clients, b"201")
            tutorial = self._load(self.tutorial_port, post, clients, b"201")
            no_store = self._load(self.no_store_port, post, clients, b"201")
            return {
                "per_second": len(ours) / self.seconds,
                "to_tutorial": len(ours) / len(tutorial),
                "to_no_store": len(ours) / len(no_store),
                "p50_ms": percentile_ms(ours, 0.5),
                "p99_ms": percentile_ms(ours, 0.99),
            }

        return self._medians(f"single events, clients: {clients}", figures)

    def batches(
        self, path: str, body: Callable[[], bytes], content_type: str, clients: int
    ) -> dict[str, Any]:
        def figures() -> dict[str, float]:
            def post() -> bytes:
                return http_request(
                    "POST",
                    f"/v1/predictions/{path}",
                    body(),
                    content_type=content_type,
                    **self.service.headers,
                )

            ours = len(self._load(self.service.port, post, clients, b"200"))
            raw = self._with_driver(insert_batch, clients)
            return {"per_second": ours * BATCH / self.seconds, "to_raw": ours / raw}

        return self._medians(f"{path} of {BATCH}, clients: {clients}", figures)

    def page(self) -> dict[str, Any]:
        def figures() -> dict[str, float]:
            def get() -> bytes:
                path = "/v1/predictions?model=bench&limit=50"
                return http_request("GET", path, **self.service.headers)

            ours = self._load(self.service.port, get, PAGE_CLIENTS, b"200")
            tutorial = self._load(self.tutorial_port, get, PAGE_CLIENTS, b"200")
            return {
                "per_second": len(ours) / self.seconds,
                "to_tutorial": len(ours) / len(tutorial),
                "aim_to_tutorial": PAGE_AIM,
                "to_raw": len(ours) / self._with_driver(find_page, PAGE_CLIENTS),
                "p99_ms": percentile_ms(ours, 0.99),
            }

        return self._medians(f"page of 50, clients: {PAGE_CLIENTS}", figures)

    def _medians(self, what: str, figures: Callable[[], dict[str, float]]) -> dict[str, Any]:
        rounds = [figures() for _ in range(self.rounds)]
        return {"what": what} | {
            name: statistics.median(values[name] for values in rounds) for name in rounds[0]
        }

    def _load(
        self, port: int, request: Callable[[], bytes], clients: int, status: bytes
    ) -> list[float]:
        return run_load(port, request, clients, self.seconds, status)

    def _with_driver(self, work: Callable[[Any], Awaitable[object]], clients: int) -> int:
        url = self.service.mongodb_url
        return asyncio.run(repeat_with_driver(url, clients, self.seconds, work))


def main() -> None:
    options = option_parser(__doc__, rounds=5, seconds=3.0).parse_args()
    with running_service() as service:
        create_baseline(service.mongodb_url)
        urls = {"DATABASE_URL": service.database_url, "MONGODB_URL": service.mongodb_url}
        with (
            running_application("benchmarks.tutorial_log:app", **urls) as tutorial_port,
            running_application(
                "benchmarks.service_without_store:app", **service.environment
            ) as no_store_port,
        ):
            rows = IntakeBenchmark(
                service, tutorial_port, no_store_port, options.rounds, options.seconds
            ).run()
    print_rows(rows, as_json=options.json)


if __name__ == "__main__":
    main()
