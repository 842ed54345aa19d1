"""Routes of versions: their numbers, stages, sources and removal."""

import asyncio
from typing import Any
from uuid import UUID

import httpx2
import pytest

from service.main import State
from tests.relational.model_registry.factories import (
    ELSEWHERE,
    make_model,
    make_version,
    store_run,
)

CREATES = 48


async def test_versions_made_at_once_count_without_a_gap(client: httpx2.AsyncClient) -> None:
    model = await make_model(client)
    body = {"source": ELSEWHERE, "tags": {"a": "1"}}
    requests = (client.post(f"{model['path']}/versions", json=body) for _ in range(CREATES))
    numbers = [answer.json()["number"] for answer in await asyncio.gather(*requests)]
    assert sorted(numbers) == list(range(1, CREATES + 1))


async def test_version_number_is_not_given_again(client: httpx2.AsyncClient) -> None:
    model = await make_model(client)
    for _ in range(2):
        await make_version(client, model)
    path = f"{model['path']}/versions"
    await client.put(f"{model['path']}/aliases/best", json={"number": 2})
    assert (await client.delete(f"{path}/2")).status_code == 204
    assert (await client.get(f"{path}/2")).json()["code"] == "model_version_not_found"
    now = (await client.get(model["path"])).json()
    assert (now["aliases"], now["latest_versions"]) == ({}, {"None": 1})
    refused = await client.post(path, json={"source": "s3://a/../b"})
    assert refused.status_code == 422
    assert (await make_version(client, model))["number"] == 3


async def test_version_is_found_by_number_alias_and_latest(client: httpx2.AsyncClient) -> None:
    model = await make_model(client)
    for _ in range(2):
        await make_version(client, model)
    await client.put(f"{model['path']}/aliases/best", json={"number": 1})
    path = f"{model['path']}/versions"
    found = [
        (await client.get(f"{path}/{name}")).json()["number"] for name in ("1", "best", "latest")
    ]
    assert found == [1, 1, 2]
    for unknown in ("3", "0", "worst", "99999999999", "-1", "٣"):
        assert (await client.get(f"{path}/{unknown}")).status_code == 404


async def test_run_is_promoted_to_a_version(client: httpx2.AsyncClient, state: State) -> None:
    run, model = await store_run(state), await make_model(client)
    path = f"{model['path']}/versions"
    body = {"run_id": str(run.id), "artifact_path": "model"}
    made = (await client.post(path, json=body)).json()
    assert (made["source"], made["location"]) == (f"{run.root}/model", f"{run.root}/model")
    assert (made["run_id"], made["status"], made["stage"]) == (str(run.id), "READY", "None")
    unknown = await client.post(path, json={"run_id": model["id"]})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "run_not_found")
    climbing = await client.post(path, json={**body, "artifact_path": "../../x"})
    assert climbing.json()["code"] == "source_invalid"
    for run_id in (str(run.id), run.id.hex, run.id.hex.upper()):
        again = (await client.post(path, json={**body, "run_id": run_id})).json()
        assert again["run_id"] == str(run.id)
        found = (await client.get(path, params={"run_id": run_id})).json()["items"]
        assert len(found) == again["number"]


async def test_logged_model_is_registered_by_either_id(client: httpx2.AsyncClient) -> None:
    sent = {"experiment_id": "0", "name": "m"}
    logged = (await client.post("/api/2.0/mlflow/logged-models", json=sent)).json()["model"]["info"]
    key, model = str(UUID(logged["model_id"].removeprefix("m-"))), await make_model(client)
    for body in (
        {"logged_model_id": key}, {"logged_model_id": logged["model_id"]},
        {"logged_model_id": key, "source": f"models:/{logged['model_id']}"},
    ):  # fmt: skip
        made = (await client.post(f"{model['path']}/versions", json=body)).json()
        assert (made["source"], made["location"], made["logged_model_id"]) == (
            f"models:/{logged['model_id']}",
            logged["artifact_uri"],
            key,
        )


async def test_stage_change_archives_the_others(client: httpx2.AsyncClient) -> None:
    model = await make_model(client)
    for _ in range(3):
        await make_version(client, model)
    path = f"{model['path']}/versions"
    for number in (1, 2):
        await client.patch(f"{path}/{number}", json={"stage": "Production"})
    body = {"stage": "Production", "archive_existing": True, "tags": {"by": "ada"}}
    answer = await client.patch(f"{path}/3", json=body, headers={"If-Match": '"1"'})
    assert (answer.json()["stage"], answer.json()["tags"]) == ("Production", {"by": "ada"})
    listed = (await client.get(path, params={"sort": "number"})).json()["items"]
    assert [one["stage"] for one in listed] == ["Archived", "Archived", "Production"]
    latest = (await client.get(model["path"])).json()["latest_versions"]
    assert latest == {"Archived": 2, "Production": 3}
    only = (await client.get(path, params={"stage": "Archived"})).json()["items"]
    assert [one["number"] for one in only] == [2, 1]


@pytest.mark.parametrize(
    "body",
    [
        {"stage": "production"}, {"stage": None}, {"archive_existing": True},
        {"stage": "Archived", "archive_existing": True}, {"number": 4}, {"tags": {"a//b": None}},
    ],
)  # fmt: skip
async def test_version_invalid_change_is_refused(
    client: httpx2.AsyncClient, body: dict[str, Any]
) -> None:
    model = await make_model(client)
    await make_version(client, model)
    answer = await client.patch(f"{model['path']}/versions/1", json=body)
    assert answer.status_code == 422


async def test_version_copy_keeps_where_it_came_from(
    client: httpx2.AsyncClient, state: State
) -> None:
    run, model = await store_run(state), await make_model(client)
    await make_version(client, model, source=f"{run.root}/model", run_id=run.id.hex)
    await client.put(f"{model['path']}/aliases/best", json={"number": 1})
    other = await make_model(client, "copies@b")
    copy = await make_version(client, other, source="models:/fraud@best")
    assert (copy["source"], copy["location"]) == ("models:/fraud/1", f"{run.root}/model")
    assert copy["run_id"] == str(run.id)
    again = await make_version(client, other, source="models:/copies@b/1", run_id=str(run.id))
    assert (again["source"], again["run_id"]) == ("models:/copies@b/1", copy["run_id"])
    body = {"source": "models:/fraud/1", "run_id": "another"}
    answer = await client.post(f"{other['path']}/versions", json=body)
    assert answer.json()["code"] == "source_invalid"
