"""Routes of experiments: success, errors, and races for a name."""

import asyncio
from typing import Any

import httpx2
import pytest

from service.relational.experiments.tables import DEFAULT_ID
from tests.relational.experiments.factories import make_experiment, make_run
from tests.relational.projects.factories import status_and_code

DEFAULT = f"/v1/experiments/{DEFAULT_ID}"


async def test_experiment_is_created_read_and_changed(client: httpx2.AsyncClient) -> None:
    body = {"name": "churn", "goals": {"val_loss": "minimize"}, "tags": {"team/a": "Größe"}}
    answer = await client.post("/v1/experiments", json=body)
    made = answer.json()
    assert (answer.status_code, answer.headers["etag"]) == (201, '"1"')
    assert made | body == made
    assert (made["project_id"], made["artifact_location"], made["deleted_at"]) == (None,) * 3
    path = answer.headers["location"]
    assert (await client.get(path)).json() == made
    changed = await client.patch(path, json={"name": "loss"}, headers={"If-Match": '"1"'})
    assert (changed.json()["name"], changed.json()["version"]) == ("loss", 2)
    assert changed.json()["goals"] == body["goals"]
    stale = await client.patch(path, json={"name": "x"}, headers={"If-Match": '"1"'})
    assert status_and_code(stale) == (412, "precondition_failed")


@pytest.mark.parametrize(
    "body",
    [
        {}, {"name": ""}, {"name": "x" * 501}, {"name": "a\x00"}, {"name": "x", "goals": {"a": 1}},
        {"name": "x", "tags": {"../a": "b"}}, {"name": "x", "tags": {"a": "b" * 20_001}},
        {"name": "x", "tags": {"a#": "b"}}, {"name": "x", "artifact_location": "runs:/1"},
        {"name": "x", "artifact_location": "mlflow-artifacts:/1"}, {"name": "x", "id": "1"},
    ],
)  # fmt: skip
async def test_experiment_that_is_invalid_is_refused(
    client: httpx2.AsyncClient, body: dict[str, Any]
) -> None:
    assert (await client.post("/v1/experiments", json=body)).status_code == 422


async def test_name_for_eight_at_once_is_given_to_one(client: httpx2.AsyncClient) -> None:
    answers = await asyncio.gather(
        *(client.post("/v1/experiments", json={"name": "same"}) for _ in range(8))
    )
    assert sorted(answer.status_code for answer in answers) == [201, *[409] * 7]
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert status_and_code(refused) == (409, "experiment_name_taken")


async def test_name_of_deleted_experiment_is_taken_until_purge(client: httpx2.AsyncClient) -> None:
    path = f"/v1/experiments/{(await make_experiment(client, name='old'))['id']}"
    assert (await client.delete(path)).status_code == 204
    taken = await client.post("/v1/experiments", json={"name": "old"})
    assert status_and_code(taken) == (409, "experiment_name_taken")
    assert (await client.post(f"{path}/purge")).json()["complete"]
    assert (await client.post("/v1/experiments", json={"name": "old"})).status_code == 201


async def test_deleted_experiment_takes_no_change_and_no_run(client: httpx2.AsyncClient) -> None:
    made = await make_experiment(client)
    path = f"/v1/experiments/{made['id']}"
    for _ in range(2):  # a repetition is no error
        assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).json()["version"] == 2
    for refused in (
        await client.patch(path, json={"name": "other"}),
        await client.put(f"{path}/tags/a", json={"value": "b"}),
        await client.delete(f"{path}/tags/a"),
        await client.post("/v1/runs", json={"experiment_id": made["id"]}),
    ):
        assert status_and_code(refused) == (409, "experiment_deleted")


async def test_restored_experiment_has_the_runs_it_was_deleted_with(
    client: httpx2.AsyncClient,
) -> None:
    made = await make_experiment(client)
    before, kept = [await make_run(client, experiment_id=made["id"]) for _ in range(2)]
    await client.delete(f"/v1/runs/{before['id']}")
    await client.delete(f"/v1/experiments/{made['id']}")
    active = {"If-None-Match": '"1"'}
    gone = await client.get(f"/v1/runs/{kept['id']}", headers=active)
    assert gone.json()["deleted_at"] is not None
    assert gone.headers["etag"] != '"1"', "a copy from before is out of date"
    for view, count in (("active", 0), ("deleted", 2), ("all", 2)):
        query = {"experiment_id": made["id"], "view": view}
        assert len((await client.get("/v1/runs", params=query)).json()["items"]) == count
    logged = await client.post(f"/v1/runs/{kept['id']}/log", json={"tags": {"a": "b"}})
    renamed = await client.patch(f"/v1/runs/{kept['id']}", json={"name": "a"})
    for refused in (logged, renamed):
        assert status_and_code(refused) == (409, "run_deleted")
    alone = await client.post(f"/v1/runs/{kept['id']}/restore")
    assert status_and_code(alone) == (409, "experiment_deleted")
    restored = await client.post(f"/v1/experiments/{made['id']}/restore")
    assert restored.json()["deleted_at"] is None
    runs = [(await client.get(f"/v1/runs/{run['id']}")).json() for run in (before, kept)]
    assert [run["deleted_at"] is None for run in runs] == [False, True]
    assert (await client.get(f"/v1/runs/{kept['id']}", headers=active)).status_code == 304


async def test_tag_that_changes_counts_a_version(client: httpx2.AsyncClient) -> None:
    path = f"/v1/experiments/{(await make_experiment(client))['id']}"
    for value, version in (("a", 2), ("a", 2), ("b", 3)):
        answer = await client.put(f"{path}/tags/team/x y", json={"value": value})
        assert (answer.json()["tags"], answer.headers["etag"]) == (
            {"team/x y": value},
            f'"{version}"',
        )
    assert (await client.delete(f"{path}/tags/team/x y")).status_code == 204
    assert (await client.get(path)).json()["tags"] == {}
    again = await client.delete(f"{path}/tags/team/x y")
    assert status_and_code(again) == (404, "tag_not_found")
    assert (await client.put(f"{path}/tags/a//b", json={"value": ""})).status_code == 422


async def test_list_has_active_or_deleted_experiments(client: httpx2.AsyncClient) -> None:
    first, second = [await make_experiment(client, name=name) for name in ("b", "B")]
    await client.delete(f"/v1/experiments/{second['id']}")
    listed = (await client.get("/v1/experiments", params={"sort": "name"})).json()["items"]
    assert [one["name"] for one in listed] == ["Default", "b"]
    assert listed[1] == first
    deleted = (await client.get("/v1/experiments", params={"deleted": True})).json()["items"]
    assert [one["id"] for one in deleted] == [second["id"]]
    named = (await client.get("/v1/experiments", params={"name": "b"})).json()["items"]
    assert [one["id"] for one in named] == [first["id"]]


async def test_default_experiment_stays_shared_and_is_not_purged(
    client: httpx2.AsyncClient,
) -> None:
    moved = await client.patch(DEFAULT, json={"project_id": str(DEFAULT_ID)})
    assert status_and_code(moved) == (409, "default_stays")
    assert (await client.delete(DEFAULT)).status_code == 204
    assert status_and_code(await client.post(f"{DEFAULT}/purge")) == (409, "default_stays")
    assert (await client.post(f"{DEFAULT}/restore")).json()["name"] == "Default"


async def test_experiment_takes_so_many_tags_and_no_more(client: httpx2.AsyncClient) -> None:
    made = await make_experiment(client, tags={f"k{n}": "" for n in range(100)})
    path = f"/v1/experiments/{made['id']}/tags"
    refused = await client.put(f"{path}/more", json={"value": ""})
    assert status_and_code(refused) == (409, "too_many_tags")
    assert (await client.put(f"{path}/k7", json={"value": "new"})).status_code == 200
