"""Registered models, versions and runs for tests."""

from typing import Any, NamedTuple
from uuid import UUID

import httpx2
from sqlalchemy import text
from uuid_utils.compat import uuid7

from service.main import State
from service.relational.experiments.tables import DEFAULT_ID

ELSEWHERE = "s3://bucket/models/fraud"


async def make_model(
    client: httpx2.AsyncClient, name: str = "fraud", **fields: Any
) -> dict[str, Any]:
    """Return a new registered model as it is answered, with its path."""
    answer = await client.post("/v1/registered_models", json={"name": name, **fields})
    assert answer.status_code == 201, answer.text
    return {**answer.json(), "path": answer.headers["location"]}


async def make_version(
    client: httpx2.AsyncClient, model: dict[str, Any], **fields: Any
) -> dict[str, Any]:
    """Return a new version of a model; it is of files elsewhere unless ``fields`` have a source."""
    body = {"source": ELSEWHERE, **fields}
    answer = await client.post(f"{model['path']}/versions", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


class StoredRun(NamedTuple):
    """A run of the experiment Default, and the root of its artifacts."""

    id: UUID
    root: str


async def store_run(state: State) -> StoredRun:
    """Insert a run."""
    run_id = UUID(str(uuid7()))
    insert = text(
        "INSERT INTO runs (id, experiment_id, name, user_name, status, started_at) "
        "VALUES (:run, :experiment, 'run', 'ada', 'FINISHED', now())"
    )
    default = text(
        "INSERT INTO experiments (id, name) VALUES (:id, 'Default') ON CONFLICT DO NOTHING"
    )
    async with state["sql"].engine.begin() as connection:
        await connection.execute(default, {"id": DEFAULT_ID})
        await connection.execute(insert, {"run": run_id, "experiment": DEFAULT_ID})
    return StoredRun(run_id, f"mlflow-artifacts:/0/{run_id.hex}/artifacts")
