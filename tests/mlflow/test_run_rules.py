"""Rules of runs and experiments that a client does not check itself."""

import json
import time
from typing import Any

import pytest

from tests.mlflow.plain import Plain, accepted, new_name, refused

pytestmark = pytest.mark.xdist_group("mlflow")


def test_run_without_a_start_begins_now(mlflow_client: Plain) -> None:
    body = {"experiment_id": mlflow_client.experiment()}
    info = accepted(mlflow_client.post("/runs/create", body))["run"]["info"]
    assert abs(info["start_time"] - time.time() * 1000) < 60_000


def test_run_without_a_name_gets_one_in_both_places(mlflow_client: Plain) -> None:
    run = mlflow_client.run(mlflow_client.new_run())
    tags = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}
    assert run["info"]["run_name"] == tags["mlflow.runName"] != ""


def test_new_run_is_of_the_active_stage(mlflow_client: Plain) -> None:
    experiment = mlflow_client.experiment()
    info = mlflow_client.run(mlflow_client.new_run(experiment))["info"]
    assert info["run_id"] == info["run_uuid"]
    assert (info["experiment_id"], info["status"], info["lifecycle_stage"]) == (
        experiment,
        "RUNNING",
        "active",
    )
    assert info["artifact_uri"].endswith(f"/{info['run_id']}/artifacts")


def test_two_names_that_differ_are_refused(mlflow_client: Plain) -> None:
    tags = [{"key": "mlflow.runName", "value": "a"}]
    body = {"experiment_id": mlflow_client.experiment(), "run_name": "b", "tags": tags}
    refused(mlflow_client.post("/runs/create", body))


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/runs/update", {"status": "FINISHED"}),
        ("/runs/log-metric", {"key": "m", "value": 1, "timestamp": 1}),
        ("/runs/log-parameter", {"key": "p", "value": "1"}),
        ("/runs/set-tag", {"key": "k", "value": "2"}),
        ("/runs/delete-tag", {"key": "k"}),
        ("/runs/log-batch", {"params": [{"key": "p", "value": "1"}]}),
        ("/runs/log-inputs", {"datasets": []}),
    ],
)
def test_deleted_run_refuses_a_write(mlflow_client: Plain, path: str, fields: Any) -> None:
    run = mlflow_client.new_run(tags=[{"key": "k", "value": "1"}])
    accepted(mlflow_client.post("/runs/delete", {"run_id": run}))
    refused(mlflow_client.post(path, {"run_id": run, **fields}))
    assert mlflow_client.data(run) == ({}, {}, {"k": "1"})
    assert mlflow_client.run(run)["info"]["status"] == "RUNNING"


def test_runs_of_a_restored_experiment_keep_their_own_deletion(mlflow_client: Plain) -> None:
    experiment = mlflow_client.experiment()
    runs = [mlflow_client.new_run(experiment) for _ in range(2)]
    accepted(mlflow_client.post("/runs/delete", {"run_id": runs[1]}))
    stages = []
    for path in ("/experiments/delete", "/experiments/restore"):
        accepted(mlflow_client.post(path, {"experiment_id": experiment}))
        stages.append([mlflow_client.run(run)["info"]["lifecycle_stage"] for run in runs])
    assert stages == [["deleted", "deleted"], ["active", "deleted"]]


@pytest.mark.parametrize(
    ("path", "most", "part"), [("/runs/log-parameter", 6000, 1), ("/runs/set-tag", 8000, 2)]
)
def test_long_value_is_cut(mlflow_client: Plain, path: str, most: int, part: int) -> None:
    run = mlflow_client.new_run()
    for extra in (0, 1):
        body = {"run_id": run, "key": f"k{extra}", "value": "é" * (most + extra)}
        accepted(mlflow_client.post(path, body))
    assert mlflow_client.data(run)[part] == {"k0": "é" * most, "k1": "é" * most}


def test_param_again_is_no_change_and_another_value_is_refused(mlflow_client: Plain) -> None:
    run = mlflow_client.new_run()
    body = {"run_id": run, "key": "p", "value": "é" * 7000}
    for _ in range(2):  # cut both times
        accepted(mlflow_client.post("/runs/log-parameter", body))
    refused(mlflow_client.post("/runs/log-parameter", {**body, "value": "other"}))
    assert mlflow_client.data(run)[1] == {"p": "é" * 6000}


@pytest.mark.parametrize("length", [20_000, 20_001])
def test_tag_of_an_experiment_has_a_limit(mlflow_client: Plain, length: int) -> None:
    experiment = mlflow_client.experiment()
    body = {"experiment_id": experiment, "key": "k", "value": "x" * length}
    answer = mlflow_client.post("/experiments/set-experiment-tag", body)
    if length <= 20_000:
        accepted(answer)
    else:
        refused(answer)


@pytest.mark.parametrize("key", ["", "/a", "a//b", "../a", "a/..", ".", "a,b", "x" * 251, "a\tb"])
def test_key_that_is_no_path_is_refused(mlflow_client: Plain, key: str) -> None:
    run = mlflow_client.new_run()
    refused(mlflow_client.post("/runs/log-parameter", {"run_id": run, "key": key, "value": "1"}))
    refused(mlflow_client.post("/runs/set-tag", {"run_id": run, "key": key, "value": "1"}))
    point = {"key": key, "value": 1, "timestamp": 1}
    refused(mlflow_client.post("/runs/log-metric", {"run_id": run, **point}))
    assert mlflow_client.data(run) == ({}, {}, {})


def test_models_of_older_clients_are_appended(mlflow_client: Plain) -> None:
    run = mlflow_client.new_run()
    for path in ("a", "b"):
        model: dict[str, Any] = {
            "artifact_path": path,
            "run_id": run,
            "utc_time_created": "2026",
            "flavors": {},
        }
        body = {"run_id": run, "model_json": json.dumps(model)}
        accepted(mlflow_client.post("/runs/log-model", body))
    history = mlflow_client.data(run)[2]["mlflow.log-model.history"]
    assert [model["artifact_path"] for model in json.loads(history)] == ["a", "b"]


def test_experiment_0_is_the_default(mlflow_client: Plain) -> None:
    found = accepted(mlflow_client.get("/experiments/get", experiment_id="0"))["experiment"]
    assert (found["name"], found["lifecycle_stage"]) == ("Default", "active")
    assert mlflow_client.run(mlflow_client.new_run("0"))["info"]["experiment_id"] == "0"


def test_experiment_of_a_deleted_name_is_refused(mlflow_client: Plain) -> None:
    body = {"name": new_name()}
    made = accepted(mlflow_client.post("/experiments/create", body))
    accepted(mlflow_client.post("/experiments/delete", made))
    refused(mlflow_client.post("/experiments/create", body), 400, "RESOURCE_ALREADY_EXISTS")
    refused(mlflow_client.post("/experiments/update", {**made, "new_name": new_name()}))
