"""Routes of runs: success and errors; ``test_log.py`` has their batches."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest

from service.main import State
from tests.relational.experiments.factories import make_experiment, make_run
from tests.relational.projects.factories import UserFactory, status_and_code
from tests.relational.runs.stored import TAGS, stored


async def test_run_is_created_read_and_changed(client: httpx2.AsyncClient, state: State) -> None:
    experiment = await make_experiment(client)
    body = {"experiment_id": experiment["id"], "name": "resnet", "user_name": "ada"}
    tags = {"b": "2", "a": "1"}
    answer = await client.post("/v1/runs", json={**body, "tags": tags})
    made, path = answer.json(), answer.headers["location"]
    assert (answer.status_code, answer.headers["etag"]) == (201, '"1"')
    assert made | body == made
    assert (made["status"], made["ended_at"], made["deleted_at"]) == ("RUNNING", None, None)
    assert await stored(state, TAGS, made) == [("a", "1"), ("b", "2")]
    assert (await client.get(path)).json() == made
    end = {"status": "FINISHED", "ended_at": "2026-11-01T12:00:00.123Z"}
    changed = await client.patch(path, json=end, headers={"If-Match": '"1"'})
    assert changed.json() | end == changed.json()
    assert changed.headers["etag"] == '"2"'
    assert (await client.patch(path, json={"ended_at": None})).json()["ended_at"] is None
    stale = await client.patch(path, json={"name": "x"}, headers={"If-Match": '"2"'})
    assert status_and_code(stale) == (412, "precondition_failed")


async def test_run_without_a_name_gets_one_and_its_user(user_factory: UserFactory) -> None:
    ada = await user_factory.create()
    experiment = await ada.request_json("POST", "/experiments", {"name": "one"})
    runs = [
        await ada.request_json("POST", "/runs", {"experiment_id": experiment["id"]})
        for _ in range(2)
    ]
    username = (await ada.request_json("GET", f"/users/{ada.id}"))["username"]
    assert [run["user_name"] for run in runs] == [username] * 2
    for run in runs:
        adjective, noun, number = run["name"].split("-")
        assert adjective.isalpha()
        assert noun.isalpha()
        assert number.isdecimal()
    assert runs[0]["name"] != runs[1]["name"]


async def test_tag_of_the_name_is_the_name(client: httpx2.AsyncClient, state: State) -> None:
    run = await make_run(client, tags={"mlflow.runName": "first"})
    path = f"/v1/runs/{run['id']}"
    assert run["name"] == "first"
    changed = await client.put(f"{path}/tags/mlflow.runName", json={"value": "second"})
    assert changed.json() == {"metrics": 0, "params": 0, "tags": 1}
    read = (await client.get(path)).json()
    assert (read["name"], read["version"]) == ("second", 2)
    assert await stored(state, TAGS, run) == []
    removed = await client.delete(f"{path}/tags/mlflow.runName")
    assert status_and_code(removed) == (409, "run_name_stays")
    body = {"experiment_id": run["experiment_id"], "name": "a", "tags": {"mlflow.runName": "b"}}
    refused = await client.post("/v1/runs", json=body)
    assert status_and_code(refused) == (422, "run_name_differs")


@pytest.mark.parametrize(
    "body",
    [
        {}, {"name": ""}, {"started_at": 1}, {"tags": {"a": None}}, {"tags": {"": "b"}},
        {"status": "NOPE"}, {"tags": {"a": "x" * 8001}}, {"name": "a\x00"},
    ],
)  # fmt: skip
async def test_run_that_is_invalid_is_refused(
    client: httpx2.AsyncClient, body: dict[str, Any]
) -> None:
    experiment = {} if not body else {"experiment_id": (await make_experiment(client))["id"]}
    answer = await client.post("/v1/runs", json={**experiment, **body})
    assert answer.status_code == 422


async def test_run_of_unknown_experiment_is_refused(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/runs", json={"experiment_id": str(uuid4())})
    assert status_and_code(answer) == (404, "experiment_not_found")


async def test_deleted_run_takes_no_write_until_restored(client: httpx2.AsyncClient) -> None:
    path = f"/v1/runs/{(await make_run(client, tags={'a': 'b'}))['id']}"
    for _ in range(2):
        assert (await client.delete(path)).status_code == 204
    for refused in (
        await client.patch(path, json={"status": "FINISHED"}),
        await client.put(f"{path}/tags/a", json={"value": "c"}),
        await client.delete(f"{path}/tags/a"),
        await client.post(f"{path}/log", json={}),
        await client.post(f"{path}/log", json={"params": {"a": "b"}}),
        await client.post(f"{path}/log", json={"metrics": [{"key": "a", "value": 1}]}),
    ):
        assert status_and_code(refused) == (409, "run_deleted")
    for _ in range(2):
        restored = await client.post(f"{path}/restore")
        assert (restored.status_code, restored.json()["deleted_at"]) == (200, None)
    assert restored.json()["version"] == 3
    assert (await client.delete(f"{path}/tags/a")).status_code == 204
    assert status_and_code(await client.delete(f"{path}/tags/a")) == (404, "tag_not_found")


async def test_run_with_an_id_is_made_once(client: httpx2.AsyncClient, state: State) -> None:
    experiment, other = [(await make_experiment(client))["id"] for _ in range(2)]
    run_id = str(uuid4())
    body = {"experiment_id": experiment, "id": run_id, "name": "a", "tags": {"a": "1"}}
    made = await client.post("/v1/runs", json=body)
    assert (made.status_code, made.json()["id"]) == (201, run_id)
    for again in (body, {**body, "experiment_id": other, "name": "b", "tags": {"b": "2"}}):
        refused = await client.post("/v1/runs", json=again)
        assert status_and_code(refused) == (409, "run_exists")
        assert refused.json()["errors"][0]["pointer"] == "/id"
    assert (await client.get(f"/v1/runs/{run_id}")).json() == made.json()
    assert await stored(state, TAGS, made.json()) == [("a", "1")]
    found = (await client.get("/v1/runs")).json()["items"]
    assert [run["id"] for run in found] == [run_id]


async def test_run_with_a_malformed_id_is_refused(client: httpx2.AsyncClient) -> None:
    experiment = (await make_experiment(client))["id"]
    answer = await client.post("/v1/runs", json={"experiment_id": experiment, "id": "7"})
    assert answer.status_code == 422
