"""Batches: one transaction, limits, and what a repetition changes."""

from typing import Any

import pytest

from tests.mlflow.plain import Plain, accepted, refused

pytestmark = pytest.mark.xdist_group("mlflow")
METRIC = {"key": "m", "value": 1.0, "timestamp": 1, "step": 0}
PARAM = {"key": "p", "value": "1"}
TAG = {"key": "t", "value": "1"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"tags": [TAG, {"key": "bad", "value": "a\0b"}]},
        {"tags": [TAG, {"key": "/bad", "value": "1"}]},
        {"params": [PARAM, {"key": "bad", "value": "a\0b"}]},
        {"params": [PARAM, {"key": "kept", "value": "changed"}]},
        {"params": [PARAM, PARAM]},
        {"metrics": [METRIC, {**METRIC, "key": "a//b"}]},
        {"metrics": [METRIC, {**METRIC, "timestamp": -1}]},
        {"metrics": [METRIC, {"key": "n", "timestamp": 1}]},
        {"tags": [TAG, {"key": "mlflow.runName", "value": "a\0b"}]},
    ],
)
def test_batch_that_fails_in_one_part_changes_nothing(mlflow_client: Plain, wrong: Any) -> None:
    run = mlflow_client.new_run()
    kept = {"run_id": run, "key": "kept", "value": "1"}
    accepted(mlflow_client.post("/runs/log-parameter", kept))
    body = {"run_id": run, "metrics": [METRIC], "params": [PARAM], "tags": [TAG], **wrong}
    refused(mlflow_client.post("/runs/log-batch", body))
    assert mlflow_client.data(run) == ({}, {"kept": "1"}, {})
    assert mlflow_client.history(run, "m") == []


def many(count: int, key: str, **fields: Any) -> list[Any]:
    return [{"key": f"{key}{n}", "value": str(n), **fields} for n in range(count)]


@pytest.mark.parametrize(
    ("metrics", "params", "tags", "fits"),
    [
        (1000, 0, 0, True),
        (1001, 0, 0, False),
        (0, 100, 0, True),
        (0, 101, 0, False),
        (0, 0, 100, True),
        (0, 0, 101, False),
        (800, 100, 100, True),
        (801, 100, 100, False),
    ],
)
def test_batch_has_a_limit_of_each_part_and_of_all(
    mlflow_client: Plain, metrics: int, params: int, tags: int, fits: bool
) -> None:
    run = mlflow_client.new_run()
    parts = {
        "metrics": many(metrics, "m", timestamp=1),
        "params": many(params, "p"),
        "tags": many(tags, "t"),
    }
    answer = mlflow_client.post("/runs/log-batch", {"run_id": run, **parts})
    if fits:
        accepted(answer)
    else:
        refused(answer)
    expected = (metrics, params, tags) if fits else (0, 0, 0)
    assert tuple(map(len, mlflow_client.data(run))) == expected


def test_batch_that_is_repeated_changes_nothing(mlflow_client: Plain) -> None:
    run = mlflow_client.new_run()
    points = [METRIC, {**METRIC, "value": "NaN"}, {**METRIC, "value": "Infinity"}, METRIC]
    body = {"run_id": run, "metrics": points, "params": [PARAM], "tags": [TAG]}
    for _ in range(3):
        accepted(mlflow_client.post("/runs/log-batch", body))
    history = mlflow_client.history(run, "m")
    assert {str(float(value)) for value, _, _ in history} == {"1.0", "inf", "nan"}
    assert len(history) == 3
    assert mlflow_client.data(run)[1:] == ({"p": "1"}, {"t": "1"})


def test_point_that_is_repeated_is_kept_once(mlflow_client: Plain) -> None:
    run = mlflow_client.new_run()
    for value in (1.0, 1.0, 2.0):
        point = {**METRIC, "value": value, "run_id": run}
        accepted(mlflow_client.post("/runs/log-metric", point))
    assert mlflow_client.history(run, "m") == [(1.0, 1, 0), (2.0, 1, 0)]
    assert mlflow_client.data(run)[0] == {"m": 2.0}


@pytest.mark.parametrize("value", [5e-324, 1 / 3, -1.7976931348623157e308, 2.0**53 + 2])
def test_double_survives_exactly(mlflow_client: Plain, value: float) -> None:
    run = mlflow_client.new_run()
    accepted(mlflow_client.post("/runs/log-metric", {**METRIC, "value": value, "run_id": run}))
    assert mlflow_client.data(run)[0] == {"m": value}


def test_inputs_that_are_repeated_change_nothing(mlflow_client: Plain) -> None:
    run = mlflow_client.new_run()
    data = {"name": "d", "digest": "1", "source_type": "local", "source": "{}"}
    body = {"run_id": run, "datasets": [{"dataset": data, "tags": [TAG]}]}
    for _ in range(2):
        accepted(mlflow_client.post("/runs/log-inputs", body))
    assert len(mlflow_client.run(run)["inputs"]["dataset_inputs"]) == 1


def test_outputs_that_are_repeated_change_nothing(mlflow_client: Plain) -> None:
    experiment = mlflow_client.experiment()
    run = mlflow_client.new_run(experiment)
    made = accepted(
        mlflow_client.post("/logged-models", {"experiment_id": experiment, "name": "m"})
    )
    model = made["model"]["info"]["model_id"]
    body = {"run_id": run, "models": [{"model_id": model, "step": 3}]}
    for _ in range(2):
        accepted(mlflow_client.post("/runs/outputs", body))
    outputs = mlflow_client.run(run)["outputs"]["model_outputs"]
    assert outputs == [{"model_id": model, "step": 3}]
