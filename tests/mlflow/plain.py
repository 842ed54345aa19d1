"""MLflow's addresses over plain HTTP, with shortcuts for what most tests begin with."""

import json
import re
import uuid
from typing import Any

import httpx2

API = "/api/2.0/mlflow"
SQL = re.compile(
    r"(?i)psycopg|asyncpg|sqlalchemy|\bselect\b.*\bfrom\b|insert into|\bupdate\b.*\bset\b"
)


class Plain:
    """A client that returns answers as they are, whatever their status."""

    def __init__(self, http: httpx2.Client) -> None:
        self.http = http

    def send(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """Send a request to a path after ``/api/2.0/mlflow``."""
        return self.http.request(method, API + path, **options)

    def post(self, path: str, body: Any) -> httpx2.Response:
        """Send JSON in ASCII, which can hold half of a surrogate pair."""
        headers = {"Content-Type": "application/json"}
        return self.send("POST", path, content=json.dumps(body), headers=headers)

    def get(self, path: str, /, **query: Any) -> httpx2.Response:
        return self.send("GET", path, params=query)

    def experiment(self) -> str:
        answer = self.post("/experiments/create", {"name": new_name()})
        return str(accepted(answer)["experiment_id"])

    def new_run(self, experiment: str | None = None, **fields: Any) -> str:
        fields = {"experiment_id": experiment or self.experiment(), "start_time": 1, **fields}
        return str(accepted(self.post("/runs/create", fields))["run"]["info"]["run_id"])

    def run(self, run_id: str) -> Any:
        return accepted(self.get("/runs/get", run_id=run_id))["run"]

    def data(self, run_id: str) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
        """Return the latest metrics, the params and the tags, but for the run's name."""
        data = self.run(run_id)["data"]
        parts = (data.get(part, []) for part in ("metrics", "params", "tags"))
        metrics, params, tags = ({row["key"]: row["value"] for row in part} for part in parts)
        tags.pop("mlflow.runName", None)
        return metrics, params, tags

    def history(self, run_id: str, key: str) -> list[tuple[Any, int, int]]:
        """Return value, timestamp and step of each point."""
        found = accepted(self.get("/metrics/get-history", run_id=run_id, metric_key=key))
        return [(p["value"], p["timestamp"], p.get("step", 0)) for p in found.get("metrics", [])]


def new_name() -> str:
    return f"plain-{uuid.uuid4().hex}"


def accepted(answer: httpx2.Response) -> Any:
    """Return the body of a success; MLflow's client takes no other status than 200 for one."""
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert isinstance(body, dict)
    return body


def refused(
    answer: httpx2.Response, status: int = 400, code: str = "INVALID_PARAMETER_VALUE"
) -> Any:
    """Return the body of a refusal, after its error code and text were checked."""
    body = answer.json()
    assert (answer.status_code, body.get("error_code")) == (status, code), answer.text[:500]
    assert body["message"]
    assert not SQL.search(answer.text), answer.text[:500]
    return body
