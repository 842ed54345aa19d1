"""The log as it grows: a worker's memory and what a page costs, at 10,000 and a million events.

    python -m benchmarks.log_growth --events 1000000 [--single] [--json]

Events come in batches of 1,000 by 4 clients, or single by 64; over ten days, of 4 models and 5
versions. Pages are asked by one client once all is written and a checkpoint is over.
"""

import argparse
import asyncio
import json
import random
import statistics
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import httpx2
import psutil

from benchmarks.intake import BATCH, EVENT, batch
from benchmarks.load import http, load, report
from benchmarks.started import Started, service

FEW, PAGE, FAR, PIECE_SECONDS, CHECKPOINT_SECONDS = 10_000, 50, 10, 5.0, 65.0
ROUNDS = 7
FILTERS = ("", "&model=m1", "&model=m1&version=2", "&status=ok")
START = datetime(2026, 1, 1, tzinfo=UTC)
SHAPES = [
    json.dumps(
        EVENT
        | {
            "timestamp": (START + timedelta(seconds=random.random() * 864_000)).isoformat(),
            "model": f"m{number % 4}",
            "version": str(number % 5),
        }
    ).encode()
    for number in range(4_000)
]


def event() -> bytes:
    return random.choice(SHAPES).replace(b'"ID"', b'"%b"' % str(uuid4()).encode(), 1)


class Growth:
    """One service, as it fills."""

    def __init__(self, started: Started, *, single: bool) -> None:
        self.started, self.single, self.events = started, single, 0
        self.key = {"Authorization": f"Bearer {started.key}"}
        self.worker = psutil.Process(started.pid)

    def fill(self, events: int) -> dict[str, Any]:
        """Until there are so many, or a few more; what that took."""
        before, began = self.events, time.perf_counter()
        while self.events < events:
            self.events += self._piece(0.5 if events <= FEW else PIECE_SECONDS)
        rate = (self.events - before) / (time.perf_counter() - began)
        memory = self.worker.memory_info().rss / 1e6
        return {"what": f"{self.events} events", "per_second": rate, "memory_mb": memory}

    def _piece(self, seconds: float) -> int:
        if self.single:
            post = partial(self._post, "", event)
            return len(asyncio.run(load(self.started.port, post, 64, seconds, b"201")))
        post = partial(self._post, "/batch", partial(batch, event))
        return BATCH * len(asyncio.run(load(self.started.port, post, 4, seconds, b"200")))

    def _post(self, path: str, make: Any) -> bytes:
        return http("POST", f"/v1/predictions{path}", make(), **self.key)

    def pages(self) -> dict[str, float]:
        """Milliseconds of the first and of the 10th page, by filter; asked in turns."""
        addresses = {}
        for each in FILTERS:
            first = f"/v1/predictions?limit={PAGE}{each}"
            addresses[f"first page{each or ' of all'}"] = first
            addresses[f"10th page{each or ' of all'}"] = first + self._cursor(first)
        taken: dict[str, list[float]] = {name: [] for name in addresses}
        for _ in range(ROUNDS):
            for name, address in addresses.items():
                get = partial(http, "GET", address, **self.key)
                seconds = asyncio.run(load(self.started.port, get, 1, 0.3))
                taken[name].append(statistics.median(seconds) * 1000)
        return {name: statistics.median(each) for name, each in taken.items()}

    def _cursor(self, address: str) -> str:
        host, cursor = f"http://127.0.0.1:{self.started.port}", ""
        for _ in range(FAR - 1):
            answer = httpx2.get(host + address + cursor, headers=self.key, timeout=30)
            cursor = f"&cursor={answer.raise_for_status().json()['page']['next_cursor']}"
        return cursor


def main() -> None:
    parser = argparse.ArgumentParser(description="The log at 10,000 and at a million events.")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--single", action="store_true")
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()
    with service() as started:
        growth = Growth(started, single=told.single)
        rows = [growth.fill(FEW)]
        few = growth.pages()
        rows.append(growth.fill(told.events))
        time.sleep(CHECKPOINT_SECONDS)
        many = growth.pages()
    rows += [{"what": name, "few_ms": few[name], "ratio": many[name] / few[name]} for name in few]
    report(rows, as_json=told.json)


if __name__ == "__main__":
    main()
