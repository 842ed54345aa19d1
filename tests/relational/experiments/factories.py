"""Experiments and their runs for tests."""

from typing import Any
from uuid import uuid4

import httpx2


async def make_experiment(client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    body = {"name": f"experiment {uuid4().hex}", **fields}
    answer = await client.post("/v1/experiments", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def make_run(client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    if "experiment_id" not in fields:
        fields["experiment_id"] = (await make_experiment(client))["id"]
    answer = await client.post("/v1/runs", json=fields)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def point(key: str, value: float | str, step: int = 0, timestamp_ms: int = 1) -> dict[str, Any]:
    return {"key": key, "value": value, "step": step, "timestamp_ms": timestamp_ms}
