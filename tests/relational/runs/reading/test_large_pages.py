"""Pages of searches that end early, because their rows are large."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import text

from service.main import State
from service.relational.runs.reading import export_file
from service.relational.search_language import page_rows
from tests.relational.experiments.factories import make_experiment
from tests.relational.mlflow.calls import get_run, post

FILL = (
    """
    INSERT INTO runs (id, experiment_id, name, user_name, status, started_at)
    SELECT gen_random_uuid(), :id, 'run ' || n, 'u', 'FINISHED',
        timestamptz '2026-01-01Z' + n * interval '1 min' FROM generate_series(1, 250) AS n
    """,
    """
    INSERT INTO run_params (run_id, experiment_id, key, value)
    SELECT id, experiment_id, 'text', repeat('x', 6000) FROM runs WHERE experiment_id = :id
    """,
)
DATASETS = (
    """
    INSERT INTO datasets (id, experiment_id, name, digest, source_type, source, schema, profile)
    SELECT gen_random_uuid(), :id, 'd' || n, 'x', 'local', '{}', '[]',
        repeat('x', 60000) FROM generate_series(1, 2) AS n
    """,
    """
    INSERT INTO run_datasets (run_id, dataset_id, experiment_id, tags)
    SELECT r.id, d.id, :id, '{"k": "v"}' FROM runs r JOIN datasets d USING (experiment_id)
    WHERE r.experiment_id = :id AND r.name = 'run 1'
    """,
)


async def _fill(client: httpx2.AsyncClient, state: State, *statements: str) -> str:
    experiment = await make_experiment(client)
    async with state["sql"].engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement), {"id": UUID(experiment["id"])})
    return str(experiment["id"])


async def _pages(client: httpx2.AsyncClient, body: dict[str, Any]) -> list[list[str]]:
    pages: list[list[str]] = []
    token = None
    while token or not pages:
        found = await post(client, "/runs/search", **body, page_token=token)
        pages.append([run["info"]["run_name"] for run in found["runs"]])
        token = found.get("next_page_token")
    return pages


@pytest.mark.parametrize("order_by", [[], ["params.text", "start_time"]])
async def test_page_of_large_runs_ends_early_with_a_token(
    client: httpx2.AsyncClient,
    state: State,
    monkeypatch: pytest.MonkeyPatch,
    order_by: list[str],
) -> None:
    experiment = await _fill(client, state, *FILL)
    monkeypatch.setattr(page_rows, "PAGE_BYTES", 1_000_000)
    body = {"experiment_ids": [experiment], "max_results": 1000, "order_by": order_by}
    pages = await _pages(client, body)
    assert [100 < len(page) < 160 for page in pages] == [True, False]
    numbers = range(1, 251) if order_by else range(250, 0, -1)
    assert [name for page in pages for name in page] == [f"run {number}" for number in numbers]
    small = await _pages(client, {**body, "max_results": 125})
    assert [len(page) for page in small] == [125, 125]


async def test_run_larger_than_a_page_is_a_page(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = await _fill(client, state, *FILL)
    monkeypatch.setattr(page_rows, "PAGE_BYTES", 1)
    for limit in (2, 200):
        body = {"experiment_ids": [experiment], "limit": limit}
        page = (await client.post("/v1/runs/search", json=body)).json()
        assert [run["name"] for run in page["items"]] == ["run 250"]
        assert page["page"]["has_more"]


async def test_export_holds_a_few_large_runs_at_a_time(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = await _fill(client, state, *FILL)
    monkeypatch.setattr(page_rows, "PAGE_BYTES", 600_000)
    sizes: list[int] = []

    def written(writer: Any, texts: Sequence[str]) -> bytes:
        sizes.append(sum(map(len, texts)))
        return write(writer, texts)

    write = export_file._written
    monkeypatch.setattr(export_file, "_written", written)
    answer = await client.get(f"/v1/experiments/{experiment}/runs/export")
    assert answer.text.count("x" * 6000) == 250
    assert (len(sizes), max(sizes) <= 600_000) == (3, True)


async def test_search_leaves_out_large_profiles_of_datasets(
    client: httpx2.AsyncClient, state: State
) -> None:
    experiment = await _fill(client, state, *FILL, *DATASETS)
    body = {"experiment_ids": [experiment], "filter": "run_name = 'run 1'"}
    (found,) = (await post(client, "/runs/search", **body))["runs"]
    whole = await get_run(client, found["info"]["run_id"])
    shown, all_ = (run["inputs"].pop("dataset_inputs") for run in (found, whole))
    assert [len(entry["dataset"].get("profile", "")) for entry in shown] == [60_000, 0]
    assert [len(entry["dataset"]["profile"]) for entry in all_] == [60_000, 60_000]
    assert [entry["tags"] for entry in shown] == 2 * [[{"key": "k", "value": "v"}]]
    assert found == whole


async def test_update_of_a_run_answers_its_info(client: httpx2.AsyncClient, state: State) -> None:
    experiment = await _fill(client, state, *FILL)
    found = await post(client, "/runs/search", experiment_ids=[experiment], max_results=1)
    run = found["runs"][0]["info"]["run_id"]
    changed = await post(client, "/runs/update", run_id=run, status="FAILED", end_time=1)
    whole = await get_run(client, run)
    assert changed["run_info"] == whole["info"]
    assert whole["info"]["end_time"] == 1
