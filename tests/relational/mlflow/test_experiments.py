"""MLflow's addresses of experiments."""

import time

import httpx2
import pytest

from tests.relational.mlflow.calls import get, get_run, new_experiment, new_run, post, refused

DELETE, RESTORE, UPDATE = "/experiments/delete", "/experiments/restore", "/experiments/update"
GET, BY_NAME = "/experiments/get", "/experiments/get-by-name"


async def test_experiment_created_is_read_in_mlflows_shape(client: httpx2.AsyncClient) -> None:
    before = time.time_ns() // 1_000_000
    tags = [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}, {"key": "b"}]
    made = await post(client, "/experiments/create", name="churn", tags=tags, unknown=1)
    key = made["experiment_id"]
    experiment = (await get(client, GET, experiment_id=key))["experiment"]
    created = experiment.pop("creation_time")
    assert before - 1000 <= created <= experiment.pop("last_update_time")
    assert sorted(experiment.pop("tags"), key=lambda tag: tag["key"]) == [
        {"key": "a", "value": "2"},
        {"key": "b", "value": ""},
    ]
    assert experiment == {
        "experiment_id": key,
        "name": "churn",
        "artifact_location": f"mlflow-artifacts:/{key}",
        "lifecycle_stage": "active",
    }
    named = await get(client, BY_NAME, experiment_name="churn")
    assert named["experiment"]["experiment_id"] == key


async def test_tags_that_cannot_be_stored_are_refused(client: httpx2.AsyncClient) -> None:
    many = [{"key": f"k{number}", "value": ""} for number in range(101)]
    for tags in (many, [{"key": "e\u0301", "value": ""}]):
        status, code, _ = await refused(client, "/experiments/create", name="new", tags=tags)
        assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    await new_experiment(client, tags=many[:100])


async def test_name_taken_is_400_already_exists(client: httpx2.AsyncClient) -> None:
    key = await new_experiment(client, name="churn")
    for path in (DELETE, RESTORE):
        status, code, _ = await refused(client, "/experiments/create", name="churn")
        assert (status, code) == (400, "RESOURCE_ALREADY_EXISTS")
        await post(client, path, experiment_id=key)
        again = await refused(client, path, experiment_id=key)
        assert again[:2] == (404, "RESOURCE_DOES_NOT_EXIST")
    other = await new_experiment(client)
    found = await refused(client, UPDATE, experiment_id=other, new_name="churn")
    assert found[:2] == (400, "RESOURCE_ALREADY_EXISTS")


async def test_default_experiment_has_its_own_id(client: httpx2.AsyncClient) -> None:
    experiment = (await get(client, GET, experiment_id="0"))["experiment"]
    assert (experiment["name"], experiment["experiment_id"]) == ("Default", "0")
    run = await get_run(client, await new_run(client, "0"))
    assert run["info"]["experiment_id"] == "0"
    assert run["info"]["artifact_uri"].startswith("mlflow-artifacts:/0/")


async def test_experiment_unknown_is_404(client: httpx2.AsyncClient) -> None:
    for key in ("1", "é", "f" * 32):
        for path in (DELETE, RESTORE, "/runs/create"):
            status, code, _ = await refused(client, path, experiment_id=key)
            assert (status, code) == (404, "RESOURCE_DOES_NOT_EXIST")
    for path, query in ((GET, "experiment_id"), (BY_NAME, "experiment_name")):
        answer = await client.get(f"/api/2.0/mlflow{path}", params={query: "none"})
        found = answer.status_code, answer.json()["error_code"]
        assert found == (404, "RESOURCE_DOES_NOT_EXIST")


async def test_experiment_deleted_takes_its_runs_along_and_back(
    client: httpx2.AsyncClient,
) -> None:
    key = await new_experiment(client)
    alone, together = await new_run(client, key), await new_run(client, key)
    await post(client, "/runs/delete", run_id=alone)
    await post(client, DELETE, experiment_id=key)
    assert (await get_run(client, together))["info"]["lifecycle_stage"] == "deleted"
    assert (await get(client, GET, experiment_id=key))["experiment"]["lifecycle_stage"] == "deleted"
    for path, body in (("/runs/create", {}), (UPDATE, {"new_name": "x"})):
        status, code, message = await refused(client, path, experiment_id=key, **body)
        assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
        assert "Restore it first." in message
    await post(client, RESTORE, experiment_id=key)
    assert (await get_run(client, together))["info"]["lifecycle_stage"] == "active"
    assert (await get_run(client, alone))["info"]["lifecycle_stage"] == "deleted"


async def test_tag_of_experiment_is_set_and_deleted_once(client: httpx2.AsyncClient) -> None:
    key = await new_experiment(client)
    tag = {"experiment_id": key, "key": "a"}
    await post(client, "/experiments/set-experiment-tag", **tag, value="1")
    experiment = (await get(client, GET, experiment_id=key))["experiment"]
    assert experiment["tags"] == [{"key": "a", "value": "1"}]
    long = {**tag, "value": "x" * 20_001}
    assert (await refused(client, "/experiments/set-experiment-tag", **long))[0] == 400
    await post(client, "/experiments/delete-experiment-tag", **tag)
    found = await refused(client, "/experiments/delete-experiment-tag", **tag)
    assert found[:2] == (404, "RESOURCE_DOES_NOT_EXIST")
    assert "tags" not in (await get(client, GET, experiment_id=key))["experiment"]


@pytest.mark.parametrize("location", ["runs:/x", "mlflow-artifacts:/mine"])
async def test_location_of_another_owner_is_refused(
    client: httpx2.AsyncClient, location: str
) -> None:
    body = {"name": "x", "artifact_location": location}
    status, code, message = await refused(client, "/experiments/create", **body)
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert message.startswith("artifact_location: ")


async def test_location_elsewhere_holds_the_runs(client: httpx2.AsyncClient) -> None:
    key = await new_experiment(client, artifact_location="s3://bucket/x/")
    run = await new_run(client, key)
    uri = (await get_run(client, run))["info"]["artifact_uri"]
    assert uri == f"s3://bucket/x/{run}/artifacts"


async def test_times_are_found_as_they_are_shown(client: httpx2.AsyncClient) -> None:
    key = await new_experiment(client)
    run = await new_run(client, key)
    started = (await get_run(client, run))["info"]["start_time"]
    made = (await get(client, GET, experiment_id=key))["experiment"]["creation_time"]
    for operator, count in (("=", 1), ("<=", 1), (">=", 1), ("<", 0), (">", 0), ("!=", 0)):
        text = f"start_time {operator} {started}"
        found = await post(client, "/runs/search", experiment_ids=[key], filter=text)
        assert len(found.get("runs", [])) == count, text
    text = f"creation_time = {made} AND experiment_id = '{key}'"
    found = await post(client, "/experiments/search", max_results=5, filter=text)
    assert [one["experiment_id"] for one in found.get("experiments", [])] == [key]


async def test_experiments_are_found_in_pages(client: httpx2.AsyncClient) -> None:
    names = [f"churn {number}" for number in range(3)]
    for name in names:
        await new_experiment(client, name=name)
    wanted = {"max_results": 2, "filter": "name LIKE 'churn%'", "order_by": ["name ASC"]}
    first = await post(client, "/experiments/search", **wanted)
    second = await get(client, "/experiments/search", **wanted, page_token=first["next_page_token"])
    found = [one["name"] for page in (first, second) for one in page["experiments"]]
    assert (found, "next_page_token" in second) == (names, False)
    assert await post(client, "/experiments/search", max_results=1, filter="name = 'none'") == {}
    for limit in (0, 50_001, 1.5, "x"):
        assert (await refused(client, "/experiments/search", max_results=limit))[0] == 400


async def test_experiments_are_found_by_their_view(client: httpx2.AsyncClient) -> None:
    active, deleted = await new_experiment(client), await new_experiment(client)
    await post(client, DELETE, experiment_id=deleted)
    found = {}
    for view in (None, 2, "3", "ALL"):
        answer = await post(client, "/experiments/search", max_results=9, view_type=view)
        found[view] = {one["experiment_id"] for one in answer["experiments"]} - {"0"}
    both = {active, deleted}
    assert found == {None: {active}, 2: {deleted}, "3": both, "ALL": both}
    assert (await refused(client, "/experiments/search", max_results=1, view_type="NOPE"))[0] == 400
