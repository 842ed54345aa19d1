"""Measure MLflow's client against this service and, in turns, against MLflow's own server.

    MLFLOW_REFERENCE_PYTHON=…/bin/python python -m benchmarks.mlflow [--runs 1000] [--json]

That Python has ``mlflow`` and ``psycopg2``. Both servers use the same PostgreSQL. Times are medians
in milliseconds; the ratio is their server's time by ours. Without a reference, nothing is measured.
"""

import asyncio
import os
import statistics
import time
from collections.abc import Mapping
from typing import Any

from benchmarks.command_line import option_parser, print_rows
from benchmarks.mlflow_calls import Call, TrackingServer
from benchmarks.mlflow_reference import VARIABLE, make_database, running_reference
from benchmarks.running_service import running_service

AIMS = {
    "log_metric": 3,
    "log_batch, 1,000 points of a key": 8,
    "log_batch, 1,000 keys": 8,
    "search, all runs, plain HTTP": 10,
    "artifact of 1 MiB, up": 1,
    "artifact of 1 MiB, down": 1,
}


def measure(calls: Mapping[str, Call], rounds: int) -> dict[str, float]:
    """Return the median milliseconds by server; the servers take turns at every call."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            began = time.perf_counter()
            call(number)
            times[name].append(1000 * (time.perf_counter() - began))
    return {name: statistics.median(taken[1:]) for name, taken in times.items()}


def compare(ours: TrackingServer, theirs: TrackingServer, rounds: int) -> list[dict[str, Any]]:
    """Return a row for each call: both medians, their ratio, and the aim if there is one."""
    rows = []
    other = theirs.calls()
    for what, call in ours.calls().items():
        medians = measure({"ours": call, "mlflow": other[what]}, rounds)
        aim = {"aim": AIMS[what]} if what in AIMS else {}
        rows.append({"what": what, **medians, "ratio": medians["mlflow"] / medians["ours"], **aim})
    return rows


def main() -> None:
    parser = option_parser(__doc__, rounds=20)
    parser.add_argument("--runs", type=int, default=1000, help="how many are searched")
    options = parser.parse_args()
    python = os.environ.get(VARIABLE)
    if not python:
        print(f"Set {VARIABLE} to a Python with mlflow and psycopg2 to compare with its server.")
        return
    with running_service() as service:
        # The client sends it to both; MLflow's own server ignores it.
        os.environ |= {"MLFLOW_TRACKING_TOKEN": service.key, "MLFLOW_DISABLE_TELEMETRY": "true"}
        database = asyncio.run(make_database(service.database_url))
        with running_reference(python, database) as url:
            ours = TrackingServer(service.url.removesuffix("/v1"), service.key, options.runs)
            theirs = TrackingServer(url, service.key, options.runs)
            rows = compare(ours, theirs, options.rounds)
    print_rows(rows, as_json=options.json)


if __name__ == "__main__":
    main()
