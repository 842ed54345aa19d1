"""Searches of runs: filters, orders, pages, who sees what, and MLflow's shape."""

import json
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from service.relational.runs.reading.search_runs import RunSearch
from service.stores.sql.context import SqlContext
from tests.relational.experiments.factories import make_experiment, make_run, point
from tests.relational.projects.factories import UserFactory, status_and_code

Client = httpx2.AsyncClient
LOSSES: dict[str, list[float | str]] = {
    "a": [3.0, 1.0, 2.0],
    "b": [5.0, "NaN"],
    "c": ["Infinity"],
    "d": [0.5, 4.0],
}


async def _runs(client: Client, **fields: Any) -> dict[str, Any]:
    """Make an experiment with the runs ``a`` to ``e``, each a second younger than the last."""
    experiment = await make_experiment(client, goals={"loss": "minimize"}, **fields)
    for second, name in enumerate("abcde"):
        start = f"2026-11-01T12:00:0{second}Z"
        run = await make_run(
            client, experiment_id=experiment["id"], name=name, started_at=start, tags={"t": name}
        )
        losses = LOSSES.get(name, [])
        metrics = [point("loss", value, step=step) for step, value in enumerate(losses)]
        body = {"metrics": metrics, "params": {"a.b": name, "same": "1"}}
        (await client.post(f"/v1/runs/{run['id']}/log", json=body)).raise_for_status()
    return experiment


async def _names(client: Client, experiment: dict[str, Any], **query: Any) -> str:
    address = {"experiment_id": experiment["id"], **query}
    answer = (await client.get("/v1/runs", params=address)).raise_for_status()
    return "".join(run["name"] for run in answer.json()["items"])


async def test_search_finds_and_orders_runs(client: Client) -> None:
    experiment = await _runs(client)
    for text, order_by, expected in (
        ("", [], "edcba"),
        ("metrics.loss >= 2", ["start_time"], "acd"),
        ("metrics.loss != 4", ["start_time"], "abc"),
        ("best.loss <= 1", ["best.loss"], "da"),
        ("greatest.loss = 5 OR mean.loss = 2", ["run_name"], "ab"),
        ("params.a.b IN ('a', 'e') AND tags.t LIKE '_'", [], "ea"),
        ("tags.mlflow.runName = 'c'", [], "c"),
        ("`run name` != 'c' AND status = 'RUNNING'", [], "edba"),
        ("datasets.name = 'x'", [], ""),
        ("start_time > 1793534402000 AND end_time IS NULL", [], "ed"),
        ("", ["metrics.loss"], "adcbe"),
        ("", ["metrics.loss DESC"], "cdabe"),
        ("", ["mean.loss DESC", "metrics.loss"], "cbdae"),
        ("", ["params.a.b DESC"], "edcba"),
    ):
        query = {"filter": text, "order_by": order_by} if text else {"order_by": order_by}
        assert await _names(client, experiment, **query) == expected, text or order_by


async def test_search_shows_what_was_logged(client: Client) -> None:
    experiment = await _runs(client)
    query = {"experiment_id": experiment["id"], "filter": "artifact_uri IN ('x')"}
    refused = await client.get("/v1/runs", params=query)
    assert status_and_code(refused) == (422, "invalid_filter")
    assert "character 14" in refused.json()["detail"]
    assert [one["pointer"] for one in refused.json()["errors"]] == ["/query/filter"]
    refused = await client.post("/v1/runs/search", json={"filter": query["filter"]})
    assert [one["pointer"] for one in refused.json()["errors"]] == ["/filter"]
    query["filter"] = "run_name = 'b'"
    (run,) = (await client.get("/v1/runs", params=query)).json()["items"]
    assert run["params"] == {"a.b": "b", "same": "1"}
    assert run["tags"] == {"t": "b"}
    assert run["metrics"]["loss"] == {
        "value": "NaN", "step": 1, "timestamp_ms": 1, "count": 1,
        "least": 5, "greatest": 5, "mean": 5, "best": 5,
    }  # fmt: skip
    few = (await client.get("/v1/runs", params={**query, "fields": "id"})).json()["items"]
    assert few == [{"id": run["id"]}]
    own = (await client.get(f"/v1/runs/{run['id']}")).json()
    assert own.items() <= run.items()


@pytest.mark.parametrize("order_by", [[], ["metrics.loss DESC"], ["best.loss", "params.same"]])
async def test_pages_hold_each_run_once_while_runs_arrive(
    client: Client, order_by: list[str]
) -> None:
    experiment = await _runs(client)
    whole = await _names(client, experiment, order_by=order_by)
    body = {"experiment_ids": [experiment["id"]], "order_by": order_by, "limit": 2}
    names, cursor = "", None
    while True:
        page = (await client.post("/v1/runs/search", json={**body, "cursor": cursor})).json()
        names += "".join(run["name"] for run in page["items"])
        cursor = page["page"]["next_cursor"]
        if cursor is None:
            break
        if not order_by:
            await make_run(client, experiment_id=experiment["id"], name="z")
    assert names == whole


async def test_cursor_of_another_search_is_refused(client: Client) -> None:
    experiment = await _runs(client)
    body = {"experiment_ids": [experiment["id"]], "limit": 2}
    cursor = (await client.post("/v1/runs/search", json=body)).json()["page"]["next_cursor"]
    for change in ({"filter": "run_name = 'a'"}, {"order_by": ["run_name"]}, {"view": "all"}):
        answer = await client.post("/v1/runs/search", json={**body, **change, "cursor": cursor})
        assert status_and_code(answer) == (400, "bad_cursor")
    followed = await client.get("/v1/runs", params={"experiment_id": experiment["id"], "limit": 2})
    link = followed.headers["link"].partition(">")[0].removeprefix("<")
    assert [run["name"] for run in (await client.get(link)).json()["items"]] == ["c", "b"]


async def test_deleted_runs_are_found_by_their_view(client: Client) -> None:
    experiment = await _runs(client)
    (run,) = (
        await client.get(
            "/v1/runs", params={"filter": "run_name = 'a'", "experiment_id": experiment["id"]}
        )
    ).json()["items"]
    await client.delete(f"/v1/runs/{run['id']}")
    assert await _names(client, experiment) == "edcb"
    assert await _names(client, experiment, view="deleted") == "a"
    assert await _names(client, experiment, view="all") == "edcba"


async def test_runs_of_a_project_are_found_by_its_members_alone(user_factory: UserFactory) -> None:
    owner, stranger = await user_factory.create(), await user_factory.create()
    project = await owner.request_json("POST", "/projects", {"name": "secret"})
    body = {"name": str(uuid4()), "project_id": project["id"]}
    experiment = await owner.request_json("POST", "/experiments", body)
    run = await owner.request_json("POST", "/runs", {"experiment_id": experiment["id"]})
    wanted = {"experiment_ids": [experiment["id"]]}
    compared = {"run_ids": [run["id"]]}
    found = await owner.request_json("POST", "/runs/search", wanted)
    assert [one["id"] for one in found["items"]] == [run["id"]]
    assert (await owner.request_json("POST", "/runs/compare", compared))["runs"]
    assert (await stranger.request_json("POST", "/runs/search", wanted))["items"] == []
    assert (await stranger.request_json("POST", "/runs/search", {}))["items"] == []
    for method, path, sent in (
        ("POST", "/runs/compare", compared),
        ("GET", f"/runs/{run['id']}/metrics/loss/history", None),
        ("GET", f"/experiments/{experiment['id']}/runs/export", None),
    ):
        assert (await stranger.request(method, path, sent)).status_code == 404


async def test_run_in_the_shape_of_mlflow(client: Client, sql_context: SqlContext) -> None:
    experiment = await make_experiment(client)
    start = "2026-11-01T12:00:00.123Z"
    run = await make_run(client, experiment_id=experiment["id"], name='é"', started_at=start)
    search = RunSearch(sql_context)
    run_id, experiment_id = UUID(run["id"]), UUID(experiment["id"])
    text = await search.get(run_id, "mlflow")
    found = json.loads(text)
    hexadecimal = experiment_id.hex
    assert found["info"] == {
        "run_id": run_id.hex,
        "run_uuid": run_id.hex,
        "run_name": 'é"',
        "experiment_id": hexadecimal,
        "user_id": run["user_name"],
        "status": "RUNNING",
        "start_time": 1793534400123,
        "artifact_uri": f"mlflow-artifacts:/{hexadecimal}/{run_id.hex}/artifacts",
        "lifecycle_stage": "active",
    }
    assert found["data"] == {"tags": [{"key": "mlflow.runName", "value": 'é"'}]}
    assert (found["inputs"], found["outputs"]) == ({}, {})
    page = await search.page([experiment_id], shape="mlflow", limit=1)
    assert (page.texts, page.next_token) == ([text], None)
    assert await search.page([], shape="mlflow", limit=1) == ((), None)
