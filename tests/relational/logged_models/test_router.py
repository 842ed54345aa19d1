"""Logged models, and the inputs and outputs of runs, below /v1."""

from typing import Any
from uuid import UUID

from sqlalchemy import event, text

from service.relational.experiments.tables import DEFAULT_ID
from service.relational.logged_models.log_metrics import ModelPoint
from service.relational.logged_models.queries import MAX_POINTS
from service.relational.logged_models.tables import LoggedModelMetric
from service.relational.runs.tables import RunMetric
from tests.relational.mlflow.logged_models.conftest import Tracking

UNKNOWN = "01930d6e-7a00-7000-8000-000000000001"


async def _get(tracking: Tracking, path: str) -> Any:
    answered = await tracking.client.get(f"/v1{path}")
    assert answered.status_code == 200, answered.text
    return answered.json()


async def test_list_has_models_of_the_experiment(tracking: Tracking) -> None:
    for name in "ab":
        await tracking.model(name=name)
    deleted = (await tracking.model(name="c"))["info"]["model_id"]
    await tracking.call("DELETE", f"/logged-models/{deleted}")
    address = f"/experiments/{UUID(tracking.experiment)}/logged_models"
    page = await _get(tracking, f"{address}?limit=1")
    following = await _get(tracking, f"{address}?limit=1&cursor={page['page']['next_cursor']}")
    assert [page["items"][0]["name"], following["items"][0]["name"]] == ["b", "a"]
    assert not following["page"]["has_more"]
    assert [one["name"] for one in (await _get(tracking, f"{address}?name=a"))["items"]] == ["a"]
    assert (await _get(tracking, f"/experiments/{DEFAULT_ID}/logged_models"))["items"] == []
    unknown = await tracking.client.get(f"/v1/experiments/{UNKNOWN}/logged_models")
    assert unknown.json()["code"] == "experiment_not_found"


async def test_model_shows_the_latest_point_of_each_dataset(tracking: Tracking) -> None:
    model = await tracking.model(name="a", params=[{"key": "C", "value": "1"}])
    key = model["info"]["model_id"]
    metrics = [
        {"key": "acc", "value": value, "timestamp": 7, "step": step, "model_id": key, **dataset}
        for step, value, dataset in [
            (1, 0.5, {}),
            (2, -1, {}),
            (2, "NaN", {}),
            (1, 0.25, {"dataset_name": "test", "dataset_digest": "d"}),
            (1, "NaN", {"dataset_name": "test", "dataset_digest": "d"}),
        ]
    ]
    for _ in range(2):  # its answer may have been lost
        await tracking.call("POST", "/runs/log-batch", run_id=tracking.run, metrics=metrics)
    shown = await _get(tracking, f"/logged_models/{UUID(key[2:])}")
    run = str(UUID(tracking.run))
    of_run = {"key": "acc", "timestamp_ms": 7, "run_id": run}
    assert shown["params"] == {"C": "1"}
    assert shown["metrics"] == [
        {**of_run, "value": "NaN", "step": 2, "dataset_name": None, "dataset_digest": None},
        {**of_run, "value": 0.25, "step": 1, "dataset_name": "test", "dataset_digest": "d"},
    ]
    found = await tracking.call("GET", f"/logged-models/{key}")
    assert len(found["model"]["data"]["metrics"]) == 5


async def test_metric_of_an_unknown_model_is_not_logged(tracking: Tracking) -> None:
    metric = {"key": "acc", "value": 1, "timestamp": 7, "model_id": "m-" + "f" * 32}
    refused = await tracking.refused("POST", "/runs/log-metric", run_id=tracking.run, **metric)
    assert refused == (404, "RESOURCE_DOES_NOT_EXIST")
    assert await tracking.rows(RunMetric.key) == []


async def test_run_shows_what_it_read_and_made(tracking: Tracking) -> None:
    key = (await tracking.model())["info"]["model_id"]
    dataset = {"name": "iris", "digest": "a", "source_type": "local", "source": "{}"}
    context = {"mlflow.data.context": "training"}
    tags = [{"key": name, "value": value} for name, value in context.items()]
    await tracking.call(
        "POST",
        "/runs/log-inputs",
        run_id=tracking.run,
        datasets=[{"dataset": dataset, "tags": tags}],
        models=[{"model_id": key}],
    )
    models = [{"model_id": key, "step": 5}]
    await tracking.call("POST", "/runs/outputs", run_id=tracking.run, models=models)
    model_id = str(UUID(key[2:]))
    assert await _get(tracking, f"/runs/{UUID(tracking.run)}/inputs") == {
        "datasets": [{**dataset, "context": "training", "tags": context}],
        "input_models": [model_id],
        "output_models": [{"model_id": model_id, "step": 5}],
    }
    unknown = await tracking.client.get(f"/v1/runs/{UNKNOWN}/inputs")
    assert unknown.json()["code"] == "run_not_found"


async def test_deleted_model_is_purged(tracking: Tracking) -> None:
    kept, gone = [(await tracking.model(name=name))["info"]["model_id"] for name in "ab"]
    path = f"/v1/logged_models/{UUID(gone[2:])}/purge"
    active = await tracking.client.post(path)
    assert (active.status_code, active.json()["code"]) == (409, "not_deleted")
    await tracking.call("DELETE", f"/logged-models/{gone}")
    assert (await tracking.client.post(path)).json() == {"complete": True}
    again = await tracking.client.post(path)
    assert (again.status_code, again.json()["code"]) == (404, "logged_model_not_found")
    await _get(tracking, f"/logged_models/{UUID(kept[2:])}")


async def test_model_with_many_points_shows_the_newest(tracking: Tracking) -> None:
    key = (await tracking.model(name="a"))["info"]["model_id"]
    fill = text("""
        INSERT INTO logged_model_metrics
            (model_id, run_id, experiment_id, key, step, timestamp, value)
        SELECT id, id, experiment_id, key, step, 1, 0.5
        FROM logged_models, unnest(ARRAY['a', 'b']) AS key, generate_series(1, :most) AS step
        WHERE id = :model
    """)
    async with tracking.state["sql"].engine.begin() as connection:
        await connection.execute(fill, {"model": UUID(key[2:]), "most": MAX_POINTS + 1})
    found = (await tracking.call("GET", f"/logged-models/{key}"))["model"]["data"]["metrics"]
    steps = [one["step"] for one in found if one["key"] == "a"]
    assert steps == list(range(2, MAX_POINTS + 2))
    assert len(found) == 2 * MAX_POINTS
    latest = (await _get(tracking, f"/logged_models/{UUID(key[2:])}"))["metrics"]
    assert [(one["key"], one["step"]) for one in latest] == [(k, MAX_POINTS + 1) for k in "ab"]


async def test_points_of_many_models_take_one_insert(tracking: Tracking) -> None:
    keys = [UUID((await tracking.model(name=name))["info"]["model_id"][2:]) for name in "abc"]
    engine, sent = tracking.state["sql"].engine.sync_engine, list[str]()

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        await tracking.add_points([ModelPoint(key, "a", 0.5, 1) for key in keys])
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert sum("INSERT INTO logged_model_metrics" in one for one in sent) == 1
    assert sum("FROM experiments" in one for one in sent) == 1
    assert sorted(await tracking.rows(LoggedModelMetric.model_id)) == [(key,) for key in keys]
