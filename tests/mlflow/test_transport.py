"""How MLflow's addresses read requests and write answers."""

import json

import httpx2
import pytest

from tests.mlflow.plain import API, Plain, accepted, new_name, refused

pytestmark = pytest.mark.xdist_group("mlflow")


def test_numbers_sent_as_text_are_accepted(mlflow_client: Plain) -> None:
    run = mlflow_client.new_run()
    point = {"run_id": run, "key": "m", "value": "1.5", "timestamp": "12", "step": "3"}
    assert accepted(mlflow_client.post("/runs/log-metric", point)) == {}
    assert mlflow_client.history(run, "m") == [(1.5, 12, 3)]


def test_numbers_sent_as_text_in_a_batch_are_accepted(mlflow_client: Plain) -> None:
    run = mlflow_client.new_run()
    points = [{"key": "m", "value": "2", "timestamp": "5", "step": "-1"}]
    accepted(mlflow_client.post("/runs/log-batch", {"run_id": run, "metrics": points}))
    assert mlflow_client.history(run, "m") == [(2.0, 5, -1)]


def test_unknown_fields_are_ignored(mlflow_client: Plain) -> None:
    body = {"name": new_name(), "from_the_future": {"a": [1]}}
    experiment = accepted(mlflow_client.post("/experiments/create", body))["experiment_id"]
    found = mlflow_client.get("/experiments/get", experiment_id=experiment, more="x")
    assert accepted(found)["experiment"]["name"] == body["name"]
    run = mlflow_client.new_run(experiment, new_field=1)
    metric = {"key": "m", "value": 1, "timestamp": 1, "new_field": 2}
    accepted(
        mlflow_client.post("/runs/log-batch", {"run_id": run, "metrics": [metric], "other": 1})
    )
    assert mlflow_client.history(run, "m") == [(1, 1, 0)]


def test_64_bit_integers_are_numbers(mlflow_client: Plain) -> None:
    run, last = mlflow_client.new_run(), 2**63 - 1
    point = {"run_id": run, "key": "m", "value": 1, "timestamp": last, "step": -(2**63)}
    accepted(mlflow_client.post("/runs/log-metric", point))
    metric = mlflow_client.run(run)["data"]["metrics"][0]
    assert (metric["timestamp"], metric["step"]) == (last, -(2**63))


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_value_that_json_lacks_is_text(mlflow_client: Plain, value: str) -> None:
    run = mlflow_client.new_run()
    point = {"run_id": run, "key": "m", "value": value, "timestamp": 1}
    accepted(mlflow_client.post("/runs/log-metric", point))
    answer = mlflow_client.get("/runs/get", run_id=run)
    assert json.loads(answer.text, parse_constant=pytest.fail)  # NaN bare is no JSON
    assert mlflow_client.data(run)[0] == {"m": value}
    assert mlflow_client.history(run, "m") == [(value, 1, 0)]


def test_delete_has_a_json_body(mlflow_client: Plain) -> None:
    name = new_name()
    accepted(mlflow_client.post("/registered-models/create", {"name": name}))
    tag = {"name": name, "key": "k", "value": "v"}
    accepted(mlflow_client.post("/registered-models/set-tag", tag))
    body = {"name": name, "key": "k"}
    accepted(mlflow_client.send("DELETE", "/registered-models/delete-tag", json=body))
    found = accepted(mlflow_client.get("/registered-models/get", name=name))["registered_model"]
    assert not found.get("tags")
    accepted(mlflow_client.send("DELETE", "/registered-models/delete", json={"name": name}))
    refused(mlflow_client.get("/registered-models/get", name=name), 404, "RESOURCE_DOES_NOT_EXIST")


def test_run_is_found_by_the_old_name_of_its_id(mlflow_client: Plain) -> None:
    run = mlflow_client.new_run()
    found = accepted(mlflow_client.get("/runs/get", run_uuid=run))["run"]["info"]
    assert (found["run_id"], found["run_uuid"]) == (run, run)
    both = mlflow_client.get("/runs/get", run_id=run, run_uuid=run)
    assert accepted(both)["run"]["info"]["run_id"] == run
    metric = {"run_uuid": run, "key": "m", "value": 1, "timestamp": 1}
    accepted(mlflow_client.post("/runs/log-metric", metric))
    assert mlflow_client.data(run)[0] == {"m": 1}


def test_lists_without_elements_are_left_out(mlflow_client: Plain) -> None:
    experiment = mlflow_client.experiment()
    found = accepted(mlflow_client.post("/runs/search", {"experiment_ids": [experiment]}))
    assert found == {}
    run = mlflow_client.run(mlflow_client.new_run(experiment))
    assert {"metrics", "params"}.isdisjoint(run["data"])
    assert "end_time" not in run["info"]
    history = mlflow_client.get(
        "/metrics/get-history", run_id=run["info"]["run_id"], metric_key="m"
    )
    assert accepted(history) == {}


def test_every_success_is_200(mlflow_client: Plain) -> None:
    """The helpers check it for each request of a run's life, creation and deletion included."""
    run = mlflow_client.new_run()
    for path, fields in {
        "/runs/log-parameter": {"key": "p", "value": "1"},
        "/runs/set-tag": {"key": "t", "value": "1"},
        "/runs/delete-tag": {"key": "t"},
        "/runs/delete": {},
        "/runs/restore": {},
    }.items():
        assert accepted(mlflow_client.post(path, {"run_id": run, **fields})) == {}
    changed = mlflow_client.post("/runs/update", {"run_id": run, "status": "FINISHED"})
    assert accepted(changed)["run_info"]["status"] == "FINISHED"


def test_absent_value_of_a_param_is_empty(mlflow_client: Plain) -> None:
    run = mlflow_client.new_run()
    accepted(mlflow_client.post("/runs/log-parameter", {"run_id": run, "key": "p"}))
    assert mlflow_client.data(run)[1] == {"p": ""}


def test_refusal_is_a_problem_with_an_error_code(mlflow_client: Plain) -> None:
    answer = mlflow_client.get("/runs/get", run_id="0" * 32)
    body = refused(answer, 404, "RESOURCE_DOES_NOT_EXIST")
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert {"type", "title", "status", "detail", "code", "request_id"} <= body.keys()
    assert body["status"] == 404


def test_unknown_address_has_an_error_code(mlflow_client: Plain) -> None:
    refused(mlflow_client.post("/no/such/endpoint", {}), 404, "ENDPOINT_NOT_FOUND")


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer pk_no"}, {"Authorization": "Basic eDp5"}]
)
def test_stranger_is_asked_for_a_password(mlflow_url: str, headers: dict[str, str]) -> None:
    answer = httpx2.get(f"{mlflow_url}{API}/runs/get", params={"run_id": "x"}, headers=headers)
    refused(answer, 401, "UNAUTHENTICATED")
    assert "Basic" in answer.headers["www-authenticate"]


def test_api_key_is_accepted_as_a_password(mlflow_client: Plain, mlflow_url: str) -> None:
    token = mlflow_client.http.headers["Authorization"].removeprefix("Bearer ")
    body = {"max_results": 1}
    answer = httpx2.post(f"{mlflow_url}{API}/experiments/search", json=body, auth=("ada", token))
    assert accepted(answer)["experiments"]


def test_probes_need_no_credentials(mlflow_url: str) -> None:
    assert httpx2.get(f"{mlflow_url}/health").text == "OK"
    assert httpx2.get(f"{mlflow_url}/version").status_code == 200
