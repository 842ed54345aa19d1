"""A run that eight processes log to, while PostgreSQL is killed."""

import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.faults.test_kills import engine_of
from tests.fixtures.service import RunningService, running_service
from tests.mlflow.writer import BATCHES, POINTS

pytestmark = [pytest.mark.failover, pytest.mark.xdist_group("mlflow")]

PROCESSES = 8


def start_writer(service: RunningService, run: str, key: str) -> subprocess.Popen[str]:
    authorization = service.administrator["Authorization"]
    command = [sys.executable, "-m", "tests.mlflow.writer", service.url, authorization, run, key]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_run_of_eight_processes_is_exact_after_kills_of_postgresql(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        api = f"{service.url}/api/2.0/mlflow"
        with httpx2.Client(headers=service.administrator, timeout=30) as client:
            made = client.post(f"{api}/runs/create", json={"experiment_id": "0"}).json()
            run = made["run"]["info"]["run_id"]
            keys = [f"loss {number}" for number in range(PROCESSES)]
            writers = [start_writer(service, run, key) for key in keys]
            for writer in writers[:2]:
                assert writer.stdout is not None
                assert writer.stdout.readline() == "logged\n"
                engine_of(service, "postgres").kill()
            assert [writer.wait(120) for writer in writers] == [0] * PROCESSES
            for writer in writers:
                assert writer.stdout is not None
                writer.stdout.close()
            for key in keys:
                query = {"run_id": run, "metric_key": key}
                points = client.get(f"{api}/metrics/get-history", params=query).json()["metrics"]
                assert [point["step"] for point in points] == list(range(BATCHES * POINTS))
            latest = client.get(f"{api}/runs/get", params={"run_id": run}).json()["run"]["data"]
            last = BATCHES * POINTS - 1
            assert {one["key"]: one["value"] for one in latest["metrics"]} == dict.fromkeys(
                keys, last
            )
            found = client.post(
                f"{service.url}/v1/runs/search", json={"filter": f"mean.`{keys[0]}` = {last / 2}"}
            ).json()
            assert [one["name"] for one in found["items"]] == [made["run"]["info"]["run_name"]]
