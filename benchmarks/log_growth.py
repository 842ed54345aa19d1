"""Measure a worker's memory and the time of a page, at 10,000 and at a million logged events.

    python -m benchmarks.log_growth --events 1000000 [--single] [--json]

Four clients send batches of 1,000, or with --single 64 clients send single events, over ten days,
4 models and 5 versions. One client reads pages after all events are written and a checkpoint.
"""

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

from benchmarks.command_line import option_parser, print_rows
from benchmarks.intake import BATCH, EVENT, batch_body
from benchmarks.load_generator import http_request, run_load
from benchmarks.running_service import RunningService, running_service

FEW_EVENTS, PAGE_SIZE, FAR_PAGE = 10_000, 50, 10
FILL_SECONDS, CHECKPOINT_SECONDS = 5.0, 65.0
FILTERS = ("", "&model=m1", "&model=m1&version=2", "&status=ok")
START = datetime(2026, 1, 1, tzinfo=UTC)
TEMPLATES = [
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


def random_event() -> bytes:
    return random.choice(TEMPLATES).replace(b'"ID"', b'"%b"' % str(uuid4()).encode(), 1)


class LogGrowth:
    """A running service whose log is filled."""

    def __init__(self, service: RunningService, *, single: bool, seconds: float) -> None:
        self.service, self.single, self.seconds, self.events = service, single, seconds, 0
        self.worker = psutil.Process(service.pid)

    def fill(self, events: int) -> dict[str, Any]:
        """Send events until the log has at least ``events``; return rate and memory."""
        before, start = self.events, time.perf_counter()
        while self.events < events:
            self.events += self._send(0.5 if events <= FEW_EVENTS else FILL_SECONDS)
        rate = (self.events - before) / (time.perf_counter() - start)
        memory = self.worker.memory_info().rss / 1e6
        return {"what": f"{self.events} events", "per_second": rate, "memory_mb": memory}

    def _send(self, seconds: float) -> int:
        if self.single:
            post = partial(self._post, "", random_event)
            return len(run_load(self.service.port, post, 64, seconds, b"201"))
        post = partial(self._post, "/batch", partial(batch_body, random_event))
        return BATCH * len(run_load(self.service.port, post, 4, seconds, b"200"))

    def _post(self, path: str, body: Any) -> bytes:
        return http_request("POST", f"/v1/predictions{path}", body(), **self.service.headers)

    def pages(self, rounds: int) -> dict[str, float]:
        """Return the milliseconds of the first and the 10th page by filter, read by turns."""
        addresses = {}
        for query in FILTERS:
            first = f"/v1/predictions?limit={PAGE_SIZE}{query}"
            addresses[f"first page{query or ' of all'}"] = first
            addresses[f"10th page{query or ' of all'}"] = first + self._cursor_parameter(first)
        times: dict[str, list[float]] = {name: [] for name in addresses}
        for _ in range(rounds):
            for name, address in addresses.items():
                get = partial(http_request, "GET", address, **self.service.headers)
                durations = run_load(self.service.port, get, 1, self.seconds)
                times[name].append(statistics.median(durations) * 1000)
        return {name: statistics.median(values) for name, values in times.items()}

    def _cursor_parameter(self, address: str) -> str:
        host, parameter = f"http://127.0.0.1:{self.service.port}", ""
        for _ in range(FAR_PAGE - 1):
            url = host + address + parameter
            response = httpx2.get(url, headers=self.service.headers, timeout=30)
            parameter = f"&cursor={response.raise_for_status().json()['page']['next_cursor']}"
        return parameter


def main() -> None:
    parser = option_parser(__doc__, rounds=7, seconds=0.3)
    parser.add_argument("--events", type=int, default=1_000_000, help="size of the large log")
    parser.add_argument("--single", action="store_true", help="send single events, no batches")
    options = parser.parse_args()
    with running_service() as service:
        growth = LogGrowth(service, single=options.single, seconds=options.seconds)
        rows = [growth.fill(FEW_EVENTS)]
        few = growth.pages(options.rounds)
        rows.append(growth.fill(options.events))
        time.sleep(CHECKPOINT_SECONDS)
        many = growth.pages(options.rounds)
    rows += [{"what": name, "few_ms": few[name], "ratio": many[name] / few[name]} for name in few]
    print_rows(rows, as_json=options.json)


if __name__ == "__main__":
    main()
