"""Wrong input to MLflow's addresses: refused with 400, never guessed, never a 5xx, never SQL."""

from typing import Any

import pytest

from tests.mlflow.plain import SQL, Plain, accepted, new_name, refused

pytestmark = pytest.mark.xdist_group("mlflow")


@pytest.fixture(scope="module")
def run(mlflow_client: Plain) -> str:
    return mlflow_client.new_run()


@pytest.mark.parametrize(
    "timestamp", [2**63, -(2**63) - 1, 1.5, "1.5", "x", None, [], -1, True], ids=repr
)
def test_timestamp_that_is_wrong_is_refused(mlflow_client: Plain, run: str, timestamp: Any) -> None:
    point = {"key": "t", "value": 1.0, "timestamp": timestamp}
    refused(mlflow_client.post("/runs/log-metric", {"run_id": run, **point}))
    refused(mlflow_client.post("/runs/log-batch", {"run_id": run, "metrics": [point]}))
    assert mlflow_client.history(run, "t") == []


@pytest.mark.parametrize("step", [2**63, 1.5, "x", []])
def test_step_that_is_wrong_is_refused(mlflow_client: Plain, run: str, step: Any) -> None:
    point = {"key": "s", "value": 1.0, "timestamp": 1, "step": step}
    refused(mlflow_client.post("/runs/log-metric", {"run_id": run, **point}))
    refused(mlflow_client.post("/runs/log-batch", {"run_id": run, "metrics": [point]}))
    assert mlflow_client.history(run, "s") == []


@pytest.mark.parametrize("value", ["x", "", None, [], {}, True])
def test_value_that_is_no_number_is_refused(mlflow_client: Plain, run: str, value: Any) -> None:
    point = {"key": "v", "value": value, "timestamp": 1}
    refused(mlflow_client.post("/runs/log-metric", {"run_id": run, **point}))
    refused(mlflow_client.post("/runs/log-batch", {"run_id": run, "metrics": [point]}))
    assert mlflow_client.history(run, "v") == []


@pytest.mark.parametrize("status", ["NOPE", "finished", "", 99, []])
def test_status_that_is_unknown_changes_nothing(mlflow_client: Plain, status: Any) -> None:
    run = mlflow_client.new_run(run_name="before")
    body = {"run_id": run, "status": status, "run_name": "after", "end_time": 5}
    refused(mlflow_client.post("/runs/update", body))
    info = mlflow_client.run(run)["info"]
    assert (info["run_name"], info["status"], "end_time" in info) == ("before", "RUNNING", False)


@pytest.mark.parametrize("view", ["NOPE", "active_only", 99, []])
def test_view_type_that_is_unknown_is_refused(mlflow_client: Plain, view: Any) -> None:
    runs = {"experiment_ids": ["0"], "run_view_type": view, "max_results": 1}
    refused(mlflow_client.post("/runs/search", runs))
    refused(mlflow_client.post("/experiments/search", {"view_type": view, "max_results": 1}))


@pytest.mark.parametrize("view", ["ALL", 3, "3"], ids=repr)
def test_view_type_is_a_name_or_a_number(mlflow_client: Plain, view: Any) -> None:
    body = {"experiment_ids": [mlflow_client.experiment()], "run_view_type": view}
    assert accepted(mlflow_client.post("/runs/search", body)) == {}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/runs/log-metric", {"key": "m", "value": 1}),
        ("/runs/log-metric", {"key": "m", "timestamp": 1}),
        ("/runs/log-metric", {"value": 1, "timestamp": 1}),
        ("/runs/log-parameter", {"value": "1"}),
        ("/runs/set-tag", {"value": "1"}),
        ("/runs/create", {}),
        ("/experiments/create", {}),
        ("/experiments/search", {}),
        ("/registered-models/create", {}),
    ],
)
def test_missing_field_is_refused(mlflow_client: Plain, run: str, path: str, body: Any) -> None:
    fields = (
        {"run_id": run, **body} if path.startswith("/runs/") and path != "/runs/create" else body
    )
    refused(mlflow_client.post(path, fields))


ODD: dict[str, tuple[str, Any]] = {
    "array as body": ("/runs/log-batch", []),
    "text as body": ("/runs/log-batch", "text"),
    "number as body": ("/runs/search", 5),
    "null as body": ("/experiments/create", None),
    "NUL in a name": ("/experiments/create", {"name": "a\0b"}),
    "NUL in a tag": ("/runs/set-tag", {"run_id": "RUN", "key": "k", "value": "a\0b"}),
    "NUL in a param": ("/runs/log-parameter", {"run_id": "RUN", "key": "k", "value": "a\0b"}),
    "NUL in a run's name": ("/runs/update", {"run_id": "RUN", "run_name": "a\0b"}),
    "NUL in an id": ("/runs/update", {"run_id": "a\0b"}),
    "NUL in a filter": ("/runs/search", {"experiment_ids": ["0"], "filter": "tags.a = 'b\0'"}),
    "NUL in a model": ("/registered-models/create", {"name": "a\0b"}),
    "half of a surrogate pair": ("/runs/set-tag", {"run_id": "RUN", "key": "k", "value": "\ud800"}),
    "same order twice": ("/runs/search", {"experiment_ids": ["0"], "order_by": ["metrics.a",
    "metrics.a"]}),
    "same column twice": ("/runs/search", {"experiment_ids": ["0"], "order_by": ["start_time",
    "start_time DESC"]}),
    "null in a list": ("/runs/log-batch", {"run_id": "RUN", "metrics": [None]}),
    "null among params": ("/runs/log-batch", {"run_id": "RUN", "params": [None]}),
    "text for a list": ("/runs/log-batch", {"run_id": "RUN", "metrics": "x"}),
    "number for a list": ("/runs/search", {"experiment_ids": 5}),
    "object for an id": ("/runs/log-metric", {"run_id": {}, "key": "m",
    "value": 1, "timestamp": 1}),
    "null in ids": ("/runs/search", {"experiment_ids": [None]}),
    "id that is no number": ("/runs/search", {"experiment_ids": ["'; DROP TABLE runs"]}),
    "huge id": ("/experiments/delete", {"experiment_id": "9" * 60}),
    "huge limit": ("/runs/search", {"experiment_ids": ["0"], "max_results": 2**63}),
    "negative offset": ("/runs/search",
    {"experiment_ids": ["0"], "page_token": "eyJvZmZzZXQiOiAtMX0="}),
    "token of garbage": ("/experiments/search", {"max_results": 1, "page_token": "ÿ"}),
    "filter of 10,000 clauses": ("/runs/search",
    {"experiment_ids": ["0"], "filter": " AND ".join(["tags.a = 'b'"] * 10_000)}),
    "filter of parentheses": ("/runs/search", {"experiment_ids": ["0"], "filter": "(" * 5000}),
    "percent and backslash": ("/runs/search",
    {"experiment_ids": ["0"], "filter": "tags.a LIKE '\\'"}),
    "version that is no number": ("/model-versions/transition-stage", {"name": "x",
    "version": "x", "stage": "None"}),
    "number that is no float": ("/runs/log-metric", {"run_id": "RUN", "key": "m",
    "value": "1e999", "timestamp": 1}),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_odd_input_is_no_fault_of_the_server(mlflow_client: Plain, run: str, case: str) -> None:
    path, body = ODD[case]
    if isinstance(body, dict) and body.get("run_id") == "RUN":
        body = {**body, "run_id": run}
    answer = mlflow_client.post(path, body)
    assert answer.status_code < 500, answer.text[:300]
    assert not SQL.search(answer.text), answer.text[:500]
    if answer.status_code != 200:
        assert answer.json()["error_code"]
        assert answer.json()["message"]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"name": NaN}', b"[" * 100_000])
def test_body_that_is_no_json_is_refused(mlflow_client: Plain, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = mlflow_client.send("POST", "/experiments/create", content=content, headers=headers)
    assert answer.status_code == 400, answer.text[:300]
    assert answer.json()["error_code"]


@pytest.mark.parametrize("method", ["registered-models", "model-versions"])
def test_search_with_nul_is_refused(mlflow_client: Plain, method: str) -> None:
    answer = mlflow_client.get(f"/{method}/search", filter="name = 'a\0'", max_results=1)
    assert answer.status_code < 500
    assert not SQL.search(answer.text)


def test_name_with_every_sign_comes_back(mlflow_client: Plain) -> None:
    name = f"{new_name()} é ☃ 𝄞 '\"%_\\;--"
    made = accepted(mlflow_client.post("/experiments/create", {"name": name}))["experiment_id"]
    found = accepted(mlflow_client.get("/experiments/get-by-name", experiment_name=name))
    assert found["experiment"]["experiment_id"] == made
