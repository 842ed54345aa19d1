"""MLflow's addresses of the histories of metrics."""

from typing import Any

import httpx2
import pytest

from service.relational.runs.reading import history
from tests.relational.mlflow.calls import ROOT, get, new_run, post

HISTORY, BULK, SAMPLE = (f"/metrics/get-history{kind}" for kind in ("", "-bulk", "-bulk-interval"))


async def run_with_history(client: httpx2.AsyncClient, points: int = 10) -> str:
    """Return a run whose metric has a point in each step, logged from the last one on."""
    run = await new_run(client)
    batch = [
        {"key": "loss", "value": step / 4, "timestamp": 1000 + step, "step": step}
        for step in reversed(range(points))
    ]
    await post(client, "/runs/log-batch", run_id=run, metrics=batch)
    return run


async def test_history_comes_in_order_and_pages(client: httpx2.AsyncClient) -> None:
    run = await run_with_history(client, 5)
    await post(client, "/runs/log-metric", run_id=run, key="loss", value="NaN", timestamp=1002)
    whole = await get(client, HISTORY, run_id=run, metric_key="loss")
    assert "next_page_token" not in whole
    assert whole["metrics"][0] == {"key": "loss", "value": 0.0, "timestamp": 1000, "step": 0}
    assert [(one["timestamp"], one["step"]) for one in whole["metrics"]] == [
        (1000, 0), (1001, 1), (1002, 0), (1002, 2), (1003, 3), (1004, 4),
    ]  # fmt: skip
    wanted = {"run_id": run, "metric_key": "loss", "max_results": 4}
    first = await get(client, HISTORY, **wanted)
    second = await get(client, HISTORY, **wanted, page_token=first["next_page_token"])
    assert first["metrics"] + second["metrics"] == whole["metrics"]
    assert "next_page_token" not in second


async def test_history_of_what_is_unknown_is_empty(client: httpx2.AsyncClient) -> None:
    run = await run_with_history(client, 1)
    for key in (run, "f" * 32, "none"):
        assert await get(client, HISTORY, run_id=key, metric_key="none") == {}
        assert await get(client, BULK, run_id=[key], metric_key="none") == {}
        assert await get(client, SAMPLE, run_ids=[key], metric_key="none") == {}


async def test_sample_keeps_both_ends_of_each_run(client: httpx2.AsyncClient) -> None:
    runs = [await run_with_history(client) for _ in range(2)]
    wanted: dict[str, Any] = {"run_ids": [*runs, "none"], "metric_key": "loss"}

    async def steps(**more: Any) -> list[list[int]]:
        found = (await get(client, SAMPLE, **wanted, **more))["metrics"]
        return [[one["step"] for one in found if one["run_id"] == run] for run in runs]

    assert await steps() == [list(range(10))] * 2
    for sampled in await steps(max_results=4):
        assert (sampled[0], sampled[-1], len(sampled)) == (0, 9, 4)
    assert await steps(start_step=3, end_step=5) == [[3, 4, 5]] * 2


async def test_sample_of_too_many_points_is_refused(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [await run_with_history(client) for _ in range(2)]
    monkeypatch.setattr(history, "MOST_SAMPLED", 19)
    assert await get(client, SAMPLE, run_ids=runs[:1], metric_key="loss", max_results=4)
    query: dict[str, Any] = {"run_ids": runs, "metric_key": "loss", "max_results": 4}
    answer = await client.get(f"{ROOT}{SAMPLE}", params=query)
    assert (answer.status_code, answer.json()["code"]) == (400, "too_many_points")


async def test_histories_of_several_runs_come_run_after_run(client: httpx2.AsyncClient) -> None:
    runs = [await run_with_history(client, 2) for _ in range(2)]
    found = await get(client, BULK, run_id=runs[::-1], metric_key="loss", max_results=3)
    assert [(one["run_id"], one["step"]) for one in found["metrics"]] == [
        (runs[0], 0), (runs[0], 1), (runs[1], 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "query", "place"),
    [
        (HISTORY, {"run_id": "x"}, "metric_key"),
        (HISTORY, {"metric_key": "x"}, "run_id"),
        (HISTORY, {"run_id": "x", "metric_key": "x", "max_results": 0}, "max_results"),
        (SAMPLE, {"metric_key": "x"}, "run_ids"),
        (SAMPLE, {"run_ids": ["x"] * 101, "metric_key": "x"}, "run_ids"),
        (SAMPLE, {"run_ids": "x", "metric_key": "x", "start_step": 1}, "body"),
        (SAMPLE, {"run_ids": "x", "metric_key": "x", "start_step": 2, "end_step": 1}, "body"),
        (SAMPLE, {"run_ids": "x", "metric_key": "x", "max_results": 2501}, "max_results"),
        (BULK, {"run_id": ["x"] * 101, "metric_key": "x"}, "run_id"),
    ],
)
async def test_history_asked_wrongly_is_refused(
    client: httpx2.AsyncClient, path: str, query: dict[str, Any], place: str
) -> None:
    answer = await client.get(f"{ROOT}{path}", params=query)
    error = answer.json()
    assert (answer.status_code, error["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert error["message"].startswith(f"{place}: ")


async def test_token_of_another_history_is_refused(client: httpx2.AsyncClient) -> None:
    run = await run_with_history(client, 2)
    wanted = {"metric_key": "loss", "max_results": 1}
    page = await get(client, HISTORY, run_id=run, **wanted)
    query = {**wanted, "run_id": await new_run(client), "page_token": page["next_page_token"]}
    answer = await client.get(f"{ROOT}{HISTORY}", params=query)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
