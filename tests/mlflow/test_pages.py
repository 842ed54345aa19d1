"""Pages of runs while others write, and what a token is good for."""

from typing import Any

import pytest

from tests.mlflow.plain import Plain, accepted, refused

pytestmark = pytest.mark.xdist_group("mlflow")


def pages(client: Plain, body: dict[str, Any], between: Any = lambda: None) -> list[list[str]]:
    """Return the names of the runs on each page; ``between`` is called after each page."""
    found = []
    while True:
        answer = accepted(client.post("/runs/search", body))
        found.append([run["info"]["run_name"] for run in answer.get("runs", [])])
        if "next_page_token" not in answer:
            return found
        body = {**body, "page_token": answer["next_page_token"]}
        between()


def seeded(client: Plain, count: int = 12) -> str:
    experiment = client.experiment()
    for n in range(count):
        run = client.new_run(experiment, run_name=f"r{n}", start_time=1000 + n)
        point = {"run_id": run, "key": "m", "value": n % 3, "timestamp": 1}
        accepted(client.post("/runs/log-metric", point))
    return experiment


ORDERS: list[list[str]] = [
    [], ["start_time ASC"], ["metrics.m DESC"], ["metrics.m"], ["metrics.no",
    "run_name"], ["run_name DESC"],
    ["params.no DESC"], ["tags.`mlflow.runName`"], ["status", "metrics.m ASC",
    "start_time"], ["end_time DESC"],
]  # fmt: skip


@pytest.fixture(scope="module")
def twelve(mlflow_client: Plain) -> str:
    return seeded(mlflow_client)


@pytest.mark.parametrize("order", ORDERS, ids=", ".join)
def test_pages_of_an_order_are_the_whole_of_it(
    mlflow_client: Plain, twelve: str, order: list[str]
) -> None:
    body = {"experiment_ids": [twelve], "order_by": order}
    whole = pages(mlflow_client, body)[0]
    found = pages(mlflow_client, {**body, "max_results": 5})
    assert [len(page) for page in found] == [5, 5, 2]
    assert [name for page in found for name in page] == whole
    assert [len(page) for page in pages(mlflow_client, {**body, "max_results": 6})] == [6, 6]


def test_pages_stay_put_while_runs_arrive(mlflow_client: Plain) -> None:
    experiment = seeded(mlflow_client)

    def arrive() -> None:
        mlflow_client.new_run(experiment, run_name="late", start_time=9999)

    body = {"experiment_ids": [experiment], "max_results": 5}
    found = [name for page in pages(mlflow_client, body, arrive) for name in page]
    assert [name for name in found if name != "late"] == [f"r{n}" for n in reversed(range(12))]


def test_pages_stay_put_while_runs_go(mlflow_client: Plain) -> None:
    experiment = seeded(mlflow_client)
    first = accepted(
        mlflow_client.post("/runs/search", {"experiment_ids": [experiment], "max_results": 5})
    )
    for run in first["runs"][:3]:
        accepted(mlflow_client.post("/runs/delete", {"run_id": run["info"]["run_id"]}))
    body = {
        "experiment_ids": [experiment],
        "max_results": 50,
        "page_token": first["next_page_token"],
    }
    rest = accepted(mlflow_client.post("/runs/search", body))["runs"]
    assert [run["info"]["run_name"] for run in rest] == [f"r{n}" for n in reversed(range(7))]


@pytest.mark.parametrize("size", [0, -1, 50_001, 1.5, "x"])
def test_page_size_that_is_wrong_is_refused(mlflow_client: Plain, twelve: str, size: Any) -> None:
    body = {"experiment_ids": [twelve], "max_results": size}
    refused(mlflow_client.post("/runs/search", body))


def test_history_comes_in_pages(mlflow_client: Plain) -> None:
    run = mlflow_client.new_run()
    points = [{"key": "m", "value": n, "timestamp": n // 2, "step": n} for n in range(10)]
    accepted(mlflow_client.post("/runs/log-batch", {"run_id": run, "metrics": points}))
    found, query = [], {"run_id": run, "metric_key": "m", "max_results": 4}
    while True:
        answer = accepted(mlflow_client.get("/metrics/get-history", **query))
        found.append([point["value"] for point in answer["metrics"]])
        if not answer.get("next_page_token"):
            break
        query["page_token"] = answer["next_page_token"]
    assert found == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
