"""Calls of MLflow's addresses, as its clients make them."""

from typing import Any
from uuid import uuid4

import httpx2

ROOT = "/api/2.0/mlflow"


async def post(client: httpx2.AsyncClient, path: str, **body: Any) -> Any:
    """Return the answer, which must be a success: 200 alone is one to MLflow's clients."""
    answer = await client.post(f"{ROOT}{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def get(client: httpx2.AsyncClient, path: str, **query: Any) -> Any:
    answer = await client.get(f"{ROOT}{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def refused(client: httpx2.AsyncClient, path: str, **body: Any) -> tuple[int, str, str]:
    """Return the status, the error code and the message of a refusal."""
    answer = await client.post(f"{ROOT}{path}", json=body)
    error = answer.json()
    return answer.status_code, error["error_code"], error["message"]


async def new_experiment(client: httpx2.AsyncClient, **values: Any) -> str:
    body = {"name": f"e{uuid4().hex}", **values}
    made = await post(client, "/experiments/create", **body)
    return str(made["experiment_id"])


async def new_run(client: httpx2.AsyncClient, experiment: str | None = None, **values: Any) -> str:
    experiment = experiment or await new_experiment(client)
    made = await post(client, "/runs/create", experiment_id=experiment, **values)
    return str(made["run"]["info"]["run_id"])


async def get_run(client: httpx2.AsyncClient, run: str) -> Any:
    return (await get(client, "/runs/get", run_id=run))["run"]


def pairs(entries: list[dict[str, Any]] | None) -> dict[str, Any]:
    """Return params, tags or metrics as key and value."""
    return {entry["key"]: entry["value"] for entry in entries or []}
