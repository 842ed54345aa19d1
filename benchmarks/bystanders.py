"""Measure how late others are answered beside each heavy request: their p99 with and without it.

    python -m benchmarks.bystanders --rounds 3 --seconds 4 [--json]

Others are a page of one tag and one prediction, 25 of each per second, measured from when they are
due. Each heavy request is sent again and again by one client meanwhile. ``aim_ms`` is 3 times the
p99 without it in the same round, or 25 ms if that is more; ``pass`` is 1 if the p99 is within it.
"""

import asyncio
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable
from itertools import chain, cycle
from typing import Any, NamedTuple
from uuid import uuid4

from benchmarks.command_line import option_parser, print_rows
from benchmarks.intake import JSON, NDJSON, batch_body, new_event, stream_body
from benchmarks.load_generator import http_request, percentile_ms
from benchmarks.running_service import RunningService, running_service

PER_SECOND, LEAST_MS, TIMES = 25, 25.0, 3.0
BODIES = 20


class Heavy(NamedTuple):
    """A request that takes long."""

    what: str
    method: str
    path: str
    body: Callable[[], bytes] = bytes
    content_type: str = JSON


def _csv_with_newlines() -> bytes:
    record = b'a,"' + b"\n" * 60_000 + b'",1,EUR\n'
    return b"sku,name,price,currency\n" + record * 20


def _products() -> list[dict[str, str]]:
    return [
        {"sku": f"b{uuid4().hex}", "name": "x", "price": "1.00", "currency": "EUR"}
        for _ in range(1_000)
    ]


def _product_lines() -> bytes:
    return b"\n".join(json.dumps(product).encode() for product in _products())


def _product_items() -> bytes:
    return json.dumps({"items": _products()}).encode()


def _item() -> bytes:
    attributes = {"values": [0] * 2_000}
    return json.dumps({"name": "x", "type": "heavy", "attributes": attributes}).encode()


def _labels() -> bytes:
    label = {"label": 1, "observed_at": "2026-11-21T00:00:00Z", "source": "lab"}
    items = [{"prediction_id": str(uuid4()), **label} for _ in range(1_000)]
    return json.dumps({"items": items}).encode()


def _cloudevents() -> bytes:
    return json.dumps(
        [
            {
                "specversion": "1.0",
                "id": str(uuid4()),
                "source": "bench",
                "type": "org.polystore.prediction",
                "data": json.loads(new_event()),
            }
            for _ in range(500)
        ]
    ).encode()


HEAVY = (
    Heavy("CSV of quoted newlines", "POST", "/products/import", _csv_with_newlines, "text/csv"),
    Heavy("NDJSON of 1,000 products", "POST", "/products/import", _product_lines, NDJSON),
    Heavy("bulk of 1,000 products", "POST", "/products/bulk", _product_items),
    Heavy("item of 700 alternatives", "POST", "/items", _item),
    Heavy("batch of 1,000 predictions", "POST", "/predictions/batch", batch_body),
    Heavy("stream of 1,000 predictions", "POST", "/predictions/stream", stream_body, NDJSON),
    Heavy(
        "500 CloudEvents", "POST", "/predictions/cloudevents", _cloudevents,
        "application/cloudevents-batch+json",
    ),
    Heavy("batch of 1,000 labels", "POST", "/labels/batch", _labels),
    Heavy("page of 200 predictions", "GET", "/predictions?model=bench&limit=200"),
    Heavy("export as NDJSON", "GET", "/predictions/export?model=bench&format=ndjson"),
    Heavy("export as CSV", "GET", "/predictions/export?model=bench&format=csv"),
    Heavy("export as Parquet", "GET", "/predictions/export?model=bench&format=parquet"),
)  # fmt: skip


async def _send_at_rate(port: int, request: Callable[[], bytes], seconds: float) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    durations = []
    began = time.perf_counter()
    for number in range(int(seconds * PER_SECOND)):
        due = began + number / PER_SECOND
        await asyncio.sleep(due - time.perf_counter())
        writer.write(request())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]))
        assert head.split(b" ", 2)[1] in {b"200", b"201"}, head
        durations.append(time.perf_counter() - due)
    writer.close()
    return durations


class BystanderBenchmark:
    """The measurements on a service; one round of each takes ``seconds`` twice."""

    def __init__(self, service: RunningService, rounds: int, seconds: float) -> None:
        self._service, self._rounds, self._seconds = service, rounds, seconds
        self._administrator = service.administrator

    def run(self) -> list[dict[str, Any]]:
        return [self._row(heavy) for heavy in HEAVY]

    def _row(self, heavy: Heavy) -> dict[str, Any]:
        rounds = [(self._others(), *self._beside(heavy)) for _ in range(self._rounds)]
        alone, beside, sent, status = (
            statistics.median(column) for column in zip(*rounds, strict=True)
        )
        aim = max(LEAST_MS, TIMES * alone)
        print(f"{heavy.what}: {alone:.0f} ms alone, {beside:.0f} ms beside it", file=sys.stderr)
        return {
            "what": heavy.what,
            "p99_alone_ms": alone,
            "p99_beside_ms": beside,
            "aim_ms": aim,
            "heavy_done": sent,
            "heavy_status": status,
            "pass": float(beside <= aim),
        }

    def _others(self) -> float:
        """Return the p99 of others in milliseconds."""

        def page() -> bytes:
            return http_request("GET", "/v1/tags?limit=1", **self._service.headers)

        def prediction() -> bytes:
            return http_request("POST", "/v1/predictions", new_event(), **self._service.headers)

        async def both() -> list[float]:
            rates = (
                _send_at_rate(self._service.port, request, self._seconds)
                for request in (page, prediction)
            )
            return list(chain(*await asyncio.gather(*rates)))

        return percentile_ms(asyncio.run(both()), 0.99)

    def _beside(self, heavy: Heavy) -> tuple[float, int, int]:
        """Return the p99 of others, how many heavy requests were sent, and their last status."""
        # Made before, because the others are sent by the same process.
        bodies = cycle([heavy.body() for _ in range(BODIES)])
        ended, statuses = threading.Event(), [0]

        def repeat() -> None:
            with self._service.client() as client:
                while not ended.is_set():
                    body = next(bodies)
                    media = {"Content-Type": heavy.content_type} if body else {}
                    headers = self._administrator | media
                    response = client.request(
                        heavy.method, f"{self._service.url}{heavy.path}", content=body or None,
                        headers=headers,
                    )  # fmt: skip
                    statuses.append(response.status_code)

        thread = threading.Thread(target=repeat)
        thread.start()
        try:
            return self._others(), len(statuses) - 1, statuses[-1]
        finally:
            ended.set()
            thread.join()


def prepare(service: RunningService) -> None:
    """Create the type of items, and predictions to read."""
    alternatives = [
        {"properties": {"values": {"items": {"type": "string", "minLength": number}}}}
        for number in range(700)
    ]
    with service.client() as client:
        schema = {"json_schema": {"oneOf": alternatives}}
        url, headers = f"{service.url}/item_types/heavy", service.administrator
        client.put(url, json=schema, headers=headers).raise_for_status()
        for _ in range(5):
            headers = {"Content-Type": JSON}
            url = f"{service.url}/predictions/batch"
            client.post(url, content=batch_body(), headers=headers).raise_for_status()


def main() -> None:
    options = option_parser(__doc__, rounds=3, seconds=4.0).parse_args()
    with running_service() as service:
        prepare(service)
        rows = BystanderBenchmark(service, options.rounds, options.seconds).run()
    print_rows(rows, as_json=options.json)


if __name__ == "__main__":
    main()
