"""Calls of a training and its readers on a tracking server, by MLflow's client or plain HTTP."""

import os
from collections.abc import Callable
from uuid import uuid4

import requests
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

KEYS, FEW = 1000, 10
Call = Callable[[int], object]


class TrackingServer:
    """A server with an experiment of ``runs`` runs, each of 5 metrics, 5 params and 3 tags."""

    def __init__(self, url: str, token: str, runs: int) -> None:
        self.url, self.runs = url, runs
        self._client = MlflowClient(url)
        self._http = requests.Session()
        self._http.headers["Authorization"] = f"Bearer {token}"
        self._experiment = self._client.create_experiment(f"measured-{uuid4().hex}")
        self._found = self._client.create_experiment(f"found-{uuid4().hex}")
        self._run, self._big, self._wide = (self._create(0) for _ in range(3))
        for number in range(runs):
            self._fill(number)

    def calls(self) -> dict[str, Call]:
        """Return the calls by their names; each takes its number."""
        return {
            "create_run": self._create,
            "log_metric": self._log_metric,
            "log_metric, plain HTTP": self._log_metric_plainly,
            "log_param": lambda n: self._client.log_param(self._run, f"param{n}", n),
            "set_tag": lambda n: self._client.set_tag(self._run, "tag", n),
            "log_batch, 10 metrics": lambda n: self._log_keys(self._run, FEW, n),
            "log_batch, 1,000 points of a key": self._log_points,
            "log_batch, 1,000 keys": lambda n: self._log_keys(self._wide, KEYS, n),
            "get_run, 1,000 metrics": lambda _: self._client.get_run(self._wide),
            "get_metric_history": lambda _: self._client.get_metric_history(self._big, "loss"),
            "search, all runs": lambda _: self._search(self.runs),
            "search, newest 100": lambda _: self._search(100),
            "search, filtered and ordered": self._search_filtered,
            "search, all runs, plain HTTP": self._search_plainly,
            "artifact of 1 MiB, up": self._upload,
            "artifact of 1 MiB, down": self._download,
        }

    def _create(self, number: int) -> str:
        run = self._client.create_run(self._experiment, run_name=f"run {number}")
        run_id: str = run.info.run_id
        return run_id

    def _fill(self, number: int) -> None:
        start, name = 1_000_000 + number, f"fit {number}"
        run = self._client.create_run(self._found, start_time=start, run_name=name)
        self._client.log_batch(
            run.info.run_id,
            metrics=[Metric(f"m{k}", number * 7919 % 1000 / 1000 + k, 1, 0) for k in range(5)],
            params=[Param(f"p{k}", str(number % (k + 2))) for k in range(5)],
            tags=[RunTag(f"t{k}", str(number % (k + 3))) for k in range(3)],
        )

    def _log_metric(self, n: int) -> None:
        self._client.log_metric(self._run, "loss", n * 0.5, timestamp=1000 + n, step=n)

    def _log_metric_plainly(self, n: int) -> None:
        point = {"key": "plain", "value": n * 0.5, "timestamp": 1000 + n, "step": n}
        self._post("runs/log-metric", {"run_id": self._run, **point})

    def _log_keys(self, run: str, keys: int, n: int) -> None:
        metrics = [Metric(f"key{k}", n, 1000 + n, n) for k in range(keys)]
        self._client.log_batch(run, metrics=metrics)

    def _log_points(self, n: int) -> None:
        metrics = [Metric("loss", k, 1000 + k, n * KEYS + k) for k in range(KEYS)]
        self._client.log_batch(self._big, metrics=metrics)

    def _search(self, most: int) -> None:
        self._client.search_runs([self._found], max_results=most)

    def _search_filtered(self, _: int) -> None:
        wanted = "metrics.m0 > 0.5 AND params.p1 = '1' AND tags.t0 = '2'"
        order = ["metrics.m1 DESC"]
        self._client.search_runs([self._found], wanted, order_by=order, max_results=100)

    def _search_plainly(self, _: int) -> None:
        self._post("runs/search", {"experiment_ids": [self._found], "max_results": self.runs})

    def _post(self, path: str, body: object) -> None:
        url = f"{self.url}/api/2.0/mlflow/{path}"
        self._http.post(url, json=body, timeout=60).raise_for_status()

    def _artifact(self, n: int) -> str:
        folder = f"{self._experiment}/{self._run}/artifacts"
        return f"{self.url}/api/2.0/mlflow-artifacts/artifacts/{folder}/{n % 8}.bin"

    def _upload(self, n: int) -> None:
        blob = os.urandom(1 << 20)
        self._http.put(self._artifact(n), data=blob, timeout=60).raise_for_status()

    def _download(self, _: int) -> None:
        self._http.get(self._artifact(0), timeout=60).raise_for_status()
