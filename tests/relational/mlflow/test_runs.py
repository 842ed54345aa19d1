"""MLflow's addresses of runs."""

import time
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from service.main import State
from tests.auth.factories import create_user
from tests.fixtures.client import client_as, member_caller
from tests.relational.mlflow.calls import (
    get,
    get_run,
    new_experiment,
    new_run,
    pairs,
    post,
    refused,
)

NAME_TAG = "mlflow.runName"


async def test_run_made_is_answered_in_mlflows_shape(client: httpx2.AsyncClient) -> None:
    key = await new_experiment(client)
    tags = [{"key": "a", "value": "1"}]
    made = await post(
        client, "/runs/create", experiment_id=key, user_id="ada", run_name="first",
        start_time=1_700_000_000_123, tags=tags,
    )  # fmt: skip
    info = made["run"]["info"]
    run = info["run_id"]
    assert info == {
        "run_id": run,
        "run_uuid": run,
        "run_name": "first",
        "experiment_id": key,
        "user_id": "ada",
        "status": "RUNNING",
        "start_time": 1_700_000_000_123,
        "artifact_uri": f"mlflow-artifacts:/{key}/{run}/artifacts",
        "lifecycle_stage": "active",
    }
    assert pairs(made["run"]["data"]["tags"]) == {"a": "1", NAME_TAG: "first"}
    assert "params" not in made["run"]["data"]
    assert await get(client, "/runs/get", run_uuid=run) == made
    await post(client, "/runs/set-tag", run_id=None, run_uuid=run, key="a", value="2")
    for ids in ({}, {"run_id": None}, {"run_id": "", "run_uuid": None}):
        status, _, message = await refused(client, "/runs/set-tag", **ids, key="a")
        assert (status, message) == (400, "run_id: This field is required.")


@pytest.mark.parametrize(
    ("path", "field", "limit"),
    [("create", "run_name", 8000), ("update", "run_name", 8000), ("create", "user_id", 250)],
)
async def test_name_of_a_run_or_user_is_limited(
    client: httpx2.AsyncClient, path: str, field: str, limit: int
) -> None:
    body = {"experiment_id": "0", "run_id": await new_run(client, "0", **{field: "é" * limit})}
    long = {field: "é" * (limit + 1)}
    status, _, message = await refused(client, f"/runs/{path}", **body, **long)
    assert status == 400
    assert message.startswith(f"{field}: Send at most {limit} ")


async def test_run_made_of_nothing_begins_now_and_is_the_callers(
    app: FastAPI, state: State, reset_stores: None
) -> None:
    person = await create_user(state, username="ada")
    async with client_as(member_caller(person.id), app, state) as client:
        run = await get_run(client, await new_run(client, user_id=""))
    assert run["info"]["user_id"] == "ada"
    assert abs(run["info"]["start_time"] - time.time() * 1000) < 60_000
    assert pairs(run["data"]["tags"]) == {NAME_TAG: run["info"]["run_name"]}


@pytest.mark.parametrize(
    ("name", "tag", "shown"), [("a", None, "a"), (None, "b", "b"), ("c", "c", "c"), ("a", "b", "")]
)
async def test_name_of_run_and_its_tag_are_one(
    client: httpx2.AsyncClient, name: str | None, tag: str | None, shown: str
) -> None:
    body: dict[str, Any] = {"experiment_id": "0", "run_name": name}
    if tag is not None:
        body["tags"] = [{"key": NAME_TAG, "value": tag}]
    if not shown:
        assert (await refused(client, "/runs/create", **body))[0] == 400
        return
    made = (await post(client, "/runs/create", **body))["run"]
    assert (made["info"]["run_name"], pairs(made["data"]["tags"])[NAME_TAG]) == (shown, shown)


async def test_run_is_renamed_through_either(client: httpx2.AsyncClient) -> None:
    run = await new_run(client)
    info = (await post(client, "/runs/update", run_id=run, run_name="new"))["run_info"]
    assert info["run_name"] == "new"
    await post(client, "/runs/set-tag", run_id=run, key=NAME_TAG, value="newer")
    shown = await get_run(client, run)
    assert (shown["info"]["run_name"], pairs(shown["data"]["tags"])[NAME_TAG]) == ("newer",) * 2


async def test_run_ends_and_is_opened_again(client: httpx2.AsyncClient) -> None:
    run = await new_run(client)
    ended = {"run_uuid": run, "status": "FINISHED", "end_time": "1700000000456"}
    info = (await post(client, "/runs/update", **ended))["run_info"]
    assert (info["status"], info["end_time"]) == ("FINISHED", 1_700_000_000_456)
    info = (await post(client, "/runs/update", run_id=run, status=1))["run_info"]
    assert (info["status"], info["end_time"]) == ("RUNNING", 1_700_000_000_456)


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "NOPE"},
        {"status": 9},
        {"end_time": 1.5},
        {"end_time": 2**63},
        {"end_time": -1},
        {"end_time": 253_402_300_800_000},
        {"run_name": "a\x00"},
        {"run_id": None},
        {"run_id": ""},
    ],
)
async def test_change_wrong_in_one_place_changes_nothing(
    client: httpx2.AsyncClient, wrong: dict[str, Any]
) -> None:
    run = await new_run(client)
    before = await get_run(client, run)
    body = {"run_id": run, "status": "FAILED", "end_time": 5, "run_name": "other", **wrong}
    status, code, message = await refused(client, "/runs/update", **body)
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert message.startswith(f"{next(iter(wrong))}: ")
    assert await get_run(client, run) == before


async def test_run_deleted_refuses_writes_until_restored(client: httpx2.AsyncClient) -> None:
    run = await new_run(client)
    for _ in range(2):
        assert await post(client, "/runs/delete", run_id=run) == {}
    assert (await get_run(client, run))["info"]["lifecycle_stage"] == "deleted"
    point = {"key": "a", "value": 1, "timestamp": 1}
    for path, body in (
        ("/runs/update", {"status": "FAILED"}),
        ("/runs/log-metric", point),
        ("/runs/log-parameter", {"key": "a", "value": "1"}),
        ("/runs/log-batch", {"metrics": [point]}),
        ("/runs/log-batch", {}),
        ("/runs/set-tag", {"key": "a", "value": "1"}),
        ("/runs/delete-tag", {"key": "a"}),
        ("/runs/log-model", {"model_json": "{}"}),
    ):
        status, code, message = await refused(client, path, run_id=run, **body)
        assert (status, code) == (400, "INVALID_PARAMETER_VALUE"), path
        assert "Restore it first." in message
    for _ in range(2):
        assert await post(client, "/runs/restore", run_id=run) == {}
    await post(client, "/runs/log-metric", run_id=run, **point)


async def test_run_unknown_is_404_everywhere(client: httpx2.AsyncClient) -> None:
    tag, point = {"key": "a", "value": "1"}, {"key": "a", "value": 1, "timestamp": 1}
    for path, body in (
        ("/runs/update", {}), ("/runs/delete", {}), ("/runs/restore", {}), ("/runs/set-tag", tag),
        ("/runs/delete-tag", tag), ("/runs/log-parameter", tag), ("/runs/log-metric", point),
        ("/runs/log-batch", {}), ("/runs/log-model", {"model_json": "{}"}),
    ):  # fmt: skip
        for run in ("x", "f" * 32, "é"):
            status, code, _ = await refused(client, path, run_id=run, **body)
            assert (status, code) == (404, "RESOURCE_DOES_NOT_EXIST"), path
    answer = await client.get("/api/2.0/mlflow/runs/get", params={"run_id": "x"})
    assert (answer.status_code, answer.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


async def test_runs_are_found_in_pages_that_stay(client: httpx2.AsyncClient) -> None:
    key = await new_experiment(client)
    made = [await new_run(client, key, start_time=1000 + number) for number in range(5)]
    wanted = {"experiment_ids": [key, "none"], "max_results": "2"}
    page = await post(client, "/runs/search", **wanted)
    found = page["runs"]
    await new_run(client, key)
    while token := page.get("next_page_token"):
        page = await post(client, "/runs/search", **wanted, page_token=token)
        found += page["runs"]
    assert [run["info"]["run_id"] for run in found] == made[::-1]


async def test_runs_are_found_by_filter_order_and_view(client: httpx2.AsyncClient) -> None:
    key = await new_experiment(client)
    low, high, gone = [await new_run(client, key) for _ in range(3)]
    for run, value in ((low, 0.25), (high, "NaN"), (gone, 3)):
        await post(client, "/runs/log-metric", run_id=run, key="m", value=value, timestamp=1)
    await post(client, "/runs/delete", run_id=gone)

    async def search(**wanted: Any) -> list[str]:
        answer = await post(client, "/runs/search", experiment_ids=[key], **wanted)
        return [run["info"]["run_id"] for run in answer.get("runs", [])]

    assert await search(filter="metrics.m < 1") == [low]
    assert await search(order_by=["metrics.m ASC"]) == [low, high]
    assert await search(run_view_type="DELETED_ONLY") == [gone]
    assert set(await search(run_view_type=3)) == {low, high, gone}
    assert await search(filter="params.none = '1'") == []
    assert await post(client, "/runs/search", experiment_ids=[]) == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_results": 0},
        {"max_results": 50_001},
        {"filter": " "},
        {"filter": "nonsense"},
        {"filter": "run_name = 'a' OR run_name = 'b'"},
        {"filter": "metrics.m = 'x'"},
        {"filter": "a\x00"},
        {"order_by": ["nothing.a"]},
        {"order_by": [None]},
        {"page_token": "LTE="},
        {"run_view_type": "NOPE"},
        {"experiment_ids": "x"},
    ],
)
async def test_search_with_nonsense_is_refused(
    client: httpx2.AsyncClient, wrong: dict[str, Any]
) -> None:
    status, code, message = await refused(
        client, "/runs/search", **{"experiment_ids": ["0"], **wrong}
    )
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert "SELECT" not in message
