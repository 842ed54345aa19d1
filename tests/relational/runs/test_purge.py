"""Purge: its result, its parts, and the notes for the job that removes artifacts."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import func, select, table, text

from service.main import State
from service.relational.runs import purge
from service.relational.runs.artifact_removals import PurgedArtifacts
from tests.relational.experiments.factories import make_experiment, make_run, point
from tests.relational.projects.factories import status_and_code
from tests.relational.runs.stored import wait_for_a_lock

NO_AGE = timedelta(0)
TABLES = ("runs", "run_params", "run_tags", "run_metrics", "metric_points")


async def sizes(state: State) -> list[int]:
    async with state["sql"].engine.connect() as connection:
        counts = [select(func.count()).select_from(table(name)) for name in TABLES]
        return [await connection.scalar(count) or 0 for count in counts]


async def make_full_run(client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    run = await make_run(client, tags={"a": "b"}, **fields)
    metrics = [point(key, 1, step) for key in ("x", "y") for step in range(5)]
    batch = {"metrics": metrics, "params": {"p": "1"}}
    assert (await client.post(f"/v1/runs/{run['id']}/log", json=batch)).status_code == 200
    return run


async def test_purged_run_is_gone_and_its_artifacts_are_noted(
    client: httpx2.AsyncClient, state: State
) -> None:
    run, kept = await make_full_run(client), await make_full_run(client)
    path = f"/v1/runs/{run['id']}"
    assert status_and_code(await client.post(f"{path}/purge")) == (409, "not_deleted")
    await client.delete(path)
    answer = await client.post(f"{path}/purge")
    assert answer.json() == {"complete": True, "runs": 1, "points": 10, "runs_left": 0}
    assert await sizes(state) == [1, 1, 1, 2, 10]
    for answer in (await client.get(path), await client.post(f"{path}/purge")):
        assert status_and_code(answer) == (404, "run_not_found")
    assert (await client.get(f"/v1/runs/{kept['id']}")).status_code == 200
    removals = PurgedArtifacts(state["sql"])
    (root,) = await removals.pending(10, NO_AGE)
    assert [str(root.experiment_id), root.kind, str(root.owner_id)] == [
        run["experiment_id"], "run", run["id"],
    ]  # fmt: skip
    assert await removals.pending(10, timedelta(minutes=1)) == []
    for _ in range(2):
        await removals.done([root])
    assert await removals.pending(10, NO_AGE) == []


async def test_experiment_is_purged_in_parts(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purge, "MAX_RUNS", 2)
    experiment = await make_experiment(client, tags={"a": "b"})
    for _ in range(3):
        await make_full_run(client, experiment_id=experiment["id"])
    path = f"/v1/experiments/{experiment['id']}"
    assert status_and_code(await client.post(f"{path}/purge")) == (409, "not_deleted")
    await client.delete(path)
    first = (await client.post(f"{path}/purge")).json()
    assert first == {"complete": False, "runs": 2, "points": 20, "runs_left": 1}
    second = (await client.post(f"{path}/purge")).json()
    assert second == {"complete": True, "runs": 1, "points": 10, "runs_left": 0}
    assert status_and_code(await client.get(path)) == (404, "experiment_not_found")
    assert await sizes(state) == [0] * 5
    assert len(await PurgedArtifacts(state["sql"]).pending(10, NO_AGE)) == 3


async def test_large_run_is_purged_in_parts_and_never_restored(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purge, "MAX_ROWS", 4)
    run = await make_full_run(client)
    path, experiment = f"/v1/runs/{run['id']}", f"/v1/experiments/{run['experiment_id']}"
    await client.delete(experiment)
    first = await client.post(f"{experiment}/purge")
    assert first.json() == {"complete": False, "runs": 0, "points": 4, "runs_left": 1}
    await client.post(f"{experiment}/restore")
    restored = await client.post(f"{path}/restore")
    assert status_and_code(restored) == (409, "purge_began")
    refused = await client.post(f"{path}/log", json={"metrics": [point("x", 1)]})
    assert status_and_code(refused) == (409, "run_deleted")
    parts = [(await client.post(f"{path}/purge")).json() for _ in range(3)]
    assert [(part["complete"], part["points"], part["runs_left"]) for part in parts] == [
        (False, 4, 1), (False, 2, 1), (True, 0, 0),
    ]  # fmt: skip
    assert await sizes(state) == [0] * 5


async def test_experiment_with_many_models_is_purged_in_parts(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = await make_experiment(client)
    path = f"/v1/experiments/{experiment['id']}"
    async with state["sql"].engine.begin() as connection:
        await connection.execute(
            text("""
                WITH model AS (
                    INSERT INTO logged_models (id, experiment_id, name, status)
                    VALUES (gen_random_uuid(), :experiment, 'm', 'READY') RETURNING id
                )
                INSERT INTO logged_model_metrics
                    (model_id, run_id, experiment_id, key, step, timestamp, value)
                SELECT id, id, :experiment, 'a', n, 1, 1 FROM model, generate_series(1, 5) AS n
            """),
            {"experiment": UUID(experiment["id"])},
        )
    await client.delete(path)
    monkeypatch.setattr(purge, "MAX_ROWS", 4)
    first, second = [(await client.post(f"{path}/purge")).json() for _ in range(2)]
    assert (first["complete"], second["complete"]) == (False, True)
    (root,) = await PurgedArtifacts(state["sql"]).pending(10, NO_AGE)
    assert root.kind == "model"
    assert status_and_code(await client.get(path)) == (404, "experiment_not_found")


async def test_purge_waits_for_a_run_that_reads_the_same_dataset(
    client: httpx2.AsyncClient, state: State
) -> None:
    experiment = await make_experiment(client)
    old, new = [await make_run(client, experiment_id=experiment["id"]) for _ in range(2)]
    reads = text("""
        INSERT INTO run_datasets (run_id, dataset_id, experiment_id, tags)
        SELECT :run, id, experiment_id, '{}' FROM datasets
    """)
    async with state["sql"].engine.begin() as connection:
        await connection.execute(
            text("""
                INSERT INTO datasets (id, experiment_id, name, digest, source_type, source)
                VALUES (gen_random_uuid(), :experiment, 'd', '1', 'local', 's')
            """),
            {"experiment": UUID(experiment["id"])},
        )
        await connection.execute(reads, {"run": UUID(old["id"])})
    await client.delete(f"/v1/runs/{old['id']}")
    async with state["sql"].engine.connect() as connection:
        await connection.execute(reads, {"run": UUID(new["id"])})
        purging = asyncio.create_task(client.post(f"/v1/runs/{old['id']}/purge"))
        await wait_for_a_lock(state)
        await connection.commit()
    assert (await purging).json()["complete"]
    (dataset,) = (await client.get(f"/v1/runs/{new['id']}/inputs")).json()["datasets"]
    assert dataset["name"] == "d"
