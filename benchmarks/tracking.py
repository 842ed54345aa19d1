"""Measure searches of runs over HTTP: 1,000 runs at once, and the newest of 100,000.

    python -m benchmarks.tracking --rounds 10 [--full] [--json]

Each run has 5 metrics, 5 params and 3 tags. ``--full`` gives the runs 20 million points. The first
page of 100 runs is requested of 1,000 and of 100,000 runs by turns; the target is a ratio of 1.5.
"""

import asyncio
import statistics
import time
from typing import Any

import asyncpg

from benchmarks.command_line import option_parser, print_rows
from benchmarks.running_service import RunningService, running_service
from benchmarks.tracking_rows import fill

FEW, MANY, FULL_POINTS, AIM = 1_000, 100_000, 40, 1.5
PATH = "/api/2.0/mlflow/runs/search"
SEARCHES: dict[str, tuple[int, dict[str, Any]]] = {
    "all 1,000 runs": (0, {"max_results": 1000}),
    "newest 100 of 1,000": (0, {"max_results": 100}),
    "newest 100 of 100,000": (1, {"max_results": 100}),
    "metric < 0.001": (1, {"max_results": 100, "filter": "metrics.metric1 < 0.001"}),
    "param =": (1, {"max_results": 100, "filter": "params.param1 = '77'"}),
    "tag LIKE": (1, {"max_results": 100, "filter": "tags.tag1 LIKE 'value 7'"}),
    "order by metric": (1, {"max_results": 100, "order_by": ["metrics.metric1 DESC"]}),
}


async def seed(database_url: str, points: int) -> list[str]:
    """Insert the runs of both experiments, on a connection without a statement timeout."""
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    ids = [
        await fill(connection, 1, FEW, points),
        await fill(connection, 2, MANY, points),
    ]
    await connection.close()
    return ids


def measure(service: RunningService, ids: list[str], rounds: int) -> list[dict[str, Any]]:
    """Return the median of each search in milliseconds; all take turns."""
    address = f"http://127.0.0.1:{service.port}{PATH}"
    times: dict[str, list[float]] = {name: [] for name in SEARCHES}
    with service.client() as client:
        for _ in range(rounds + 1):
            for name, (place, body) in SEARCHES.items():
                began = time.perf_counter()
                answer = client.post(address, json={"experiment_ids": [ids[place]], **body})
                times[name].append(1000 * (time.perf_counter() - began))
                answer.raise_for_status()
    medians = {name: statistics.median(taken[1:]) for name, taken in times.items()}
    rows = [{"what": name, "ms": round(median, 1)} for name, median in medians.items()]
    ratio = medians["newest 100 of 100,000"] / medians["newest 100 of 1,000"]
    compared = {"what": "newest 100: many / few", "ratio": round(ratio, 2), "aim": AIM}
    return [*rows, compared]


def main() -> None:
    parser = option_parser(__doc__, rounds=10)
    parser.add_argument("--full", action="store_true", help="20 million points")
    options = parser.parse_args()
    with running_service() as service:
        ids = asyncio.run(seed(service.database_url, FULL_POINTS if options.full else 2))
        print_rows(measure(service, ids, options.rounds), as_json=options.json)


if __name__ == "__main__":
    main()
