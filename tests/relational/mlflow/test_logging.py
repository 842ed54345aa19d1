"""MLflow's addresses that log to a run."""

import asyncio
import json
from typing import Any

import httpx2
import pytest

from service.relational.mlflow.model_history import MAX_BYTES
from tests.relational.mlflow.calls import ROOT, get_run, new_run, pairs, post, refused

BATCH, METRIC, PARAM = "/runs/log-batch", "/runs/log-metric", "/runs/log-parameter"
POINT = {"key": "loss", "value": 0.5, "timestamp": 1000, "step": 1}


async def metrics_of(client: httpx2.AsyncClient, run: str) -> dict[str, Any]:
    return pairs((await get_run(client, run))["data"].get("metrics"))


async def test_metric_is_kept_exactly(client: httpx2.AsyncClient) -> None:
    run = await new_run(client)
    values = {
        "third": 1 / 3, "least": 5e-324, "great": 1.7976931348623157e308, "minus": -0.5,
        "nan": "NaN", "up": "Infinity", "down": "-Infinity",
    }  # fmt: skip
    for key, value in values.items():
        answer = {"run_id": run, "key": key, "value": value, "timestamp": "12", "step": "-3"}
        assert await post(client, METRIC, **answer) == {}
    logged = (await get_run(client, run))["data"]["metrics"]
    assert pairs(logged) == values
    assert {(one["timestamp"], one["step"]) for one in logged} == {(12, -3)}


async def test_nan_may_be_a_bare_token(client: httpx2.AsyncClient) -> None:
    run = await new_run(client)
    body = f'{{"run_id": "{run}", "key": "a", "value": NaN, "timestamp": 1}}'
    answer = await client.post(f"{ROOT}{METRIC}", content=body)
    assert answer.status_code == 200
    assert await metrics_of(client, run) == {"a": "NaN"}


async def test_latest_has_the_greatest_step_then_time_then_value(
    client: httpx2.AsyncClient,
) -> None:
    run = await new_run(client)
    points = [(1, 9, 1.0), (3, 1, 2.0), (3, 2, 3.0), (3, 2, 2.5), (2, 9, 9.0)]
    batch = [
        {"key": "a", "step": step, "timestamp": time, "value": value}
        for step, time, value in points
    ]
    await post(client, BATCH, run_id=run, metrics=batch)
    assert await metrics_of(client, run) == {"a": 3.0}
    await post(client, METRIC, run_id=run, key="a", value=7, timestamp=99, step=2)
    assert await metrics_of(client, run) == {"a": 3.0}


async def test_batch_is_stored_whole_and_may_be_repeated(client: httpx2.AsyncClient) -> None:
    run = await new_run(client)
    batch = {
        "run_id": run,
        "metrics": [POINT, {**POINT, "step": 2, "value": 0.25}],
        "params": [{"key": "depth", "value": "6"}, {"key": "empty"}],
        "tags": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}],
    }
    for _ in range(2):
        assert await post(client, BATCH, **batch) == {}
    data = (await get_run(client, run))["data"]
    assert pairs(data["metrics"]) == {"loss": 0.25}
    assert pairs(data["params"]) == {"depth": "6", "empty": ""}
    assert pairs(data["tags"])["a"] == "2"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"params": [{"key": "p", "value": "changed"}]}, "params/p"),
    ({"params": [{"key": "a"}, {"key": "a"}]}, "body"),
    ({"tags": [{"key": "//"}]}, "tags/0/key"),
    ({"tags": [None]}, "tags/0"),
    ({"metrics": [{**POINT, "key": "a/../b"}]}, "metrics/0/key"),
    ({"metrics": [{**POINT, "key": "k" * 251}]}, "metrics/0/key"),
    ({"metrics": [POINT, None]}, "metrics/1"),
    ({"metrics": [{**POINT, "timestamp": 2**63}]}, "metrics/0/timestamp"),
    ({"metrics": [{**POINT, "timestamp": 1.5}]}, "metrics/0/timestamp"),
    ({"metrics": [{**POINT, "timestamp": -1}]}, "metrics/0/timestamp"),
    ({"metrics": [{**POINT, "timestamp": None}]}, "metrics/0/timestamp"),
    ({"metrics": [{**POINT, "step": 2**63}]}, "metrics/0/step"),
    ({"metrics": [{**POINT, "value": "x"}]}, "metrics/0/value"),
    ({"metrics": [{**POINT, "model_id": "none"}]}, ""),
    ({"metrics": [POINT] * 1001}, "metrics"),
    ({"params": [{"key": f"{number}"} for number in range(101)]}, "params"),
    ({"tags": [{"key": f"{number}"} for number in range(101)]}, "tags"),
    ({"metrics": [POINT] * 1000, "tags": [{"key": "a"}]}, "body"),
]


@pytest.mark.parametrize(("wrong", "place"), WRONG)
async def test_batch_wrong_in_one_place_stores_nothing(
    client: httpx2.AsyncClient, wrong: dict[str, Any], place: str
) -> None:
    run = await new_run(client)
    await post(client, PARAM, run_id=run, key="p", value="1")
    before = await get_run(client, run)
    batch = {
        "metrics": [{**POINT, "key": "other"}],
        "params": [{"key": "new"}],
        "tags": [{"key": "new"}],
        **wrong,
    }
    status, code, message = await refused(client, BATCH, run_id=run, **batch)
    if place:
        assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
        assert f"{place}: " in message
    else:
        assert (status, code) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert await get_run(client, run) == before


async def test_param_keeps_its_value(client: httpx2.AsyncClient) -> None:
    run = await new_run(client)
    for _ in range(2):
        await post(client, PARAM, run_id=run, key="a", value="1")
    for path, body in (
        (PARAM, {"key": "a", "value": "2"}),
        (BATCH, {"params": [{"key": "a", "value": "2"}]}),
    ):
        status, code, _ = await refused(client, path, run_id=run, **body)
        assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert pairs((await get_run(client, run))["data"]["params"]) == {"a": "1"}


async def test_long_values_are_cut(client: httpx2.AsyncClient) -> None:
    run = await new_run(client)
    await post(client, PARAM, run_id=run, key="p", value="é" * 6001)
    await post(client, "/runs/set-tag", run_id=run, key="t", value="é" * 8001)
    data = (await get_run(client, run))["data"]
    assert pairs(data["params"]) == {"p": "é" * 6000}
    assert pairs(data["tags"])["t"] == "é" * 8000
    await post(client, PARAM, run_id=run, key="p", value="é" * 6002)


async def test_tag_is_deleted_once(client: httpx2.AsyncClient) -> None:
    run = await new_run(client)
    await post(client, "/runs/set-tag", run_id=run, key="a", value="1")
    await post(client, "/runs/delete-tag", run_id=run, key="a")
    found = await refused(client, "/runs/delete-tag", run_id=run, key="a")
    assert found[:2] == (404, "RESOURCE_DOES_NOT_EXIST")


async def test_eight_writers_at_once_do_not_fail(client: httpx2.AsyncClient) -> None:
    run = await new_run(client)
    batches = [
        {
            "metrics": [{**POINT, "key": f"m{key}", "step": writer} for key in range(5)],
            "params": [{"key": f"p{key}", "value": "same"} for key in range(5)],
            "tags": [{"key": f"t{key}", "value": f"{writer}"} for key in range(5)],
        }
        for writer in range(8)
    ]
    await asyncio.gather(*(post(client, BATCH, run_id=run, **batch) for batch in batches))
    logged = (await get_run(client, run))["data"]["metrics"]
    assert [one["step"] for one in logged] == [7] * 5


async def test_model_of_an_old_client_is_noted_in_a_tag(client: httpx2.AsyncClient) -> None:
    run = await new_run(client)
    models = [{"run_id": run, "artifact_path": f"é{number}", "flavors": {}} for number in range(3)]
    for model in models:
        await post(client, "/runs/log-model", run_id=run, model_json=json.dumps(model))
    noted = pairs((await get_run(client, run))["data"]["tags"])["mlflow.log-model.history"]
    assert json.loads(noted) == models
    for model in models:  # again
        await post(client, "/runs/log-model", run_id=run, model_json=json.dumps(model))
    assert pairs((await get_run(client, run))["data"]["tags"])["mlflow.log-model.history"] == noted
    half = "x" * (MAX_BYTES // 2)
    await post(client, "/runs/log-model", run_id=run, model_json=json.dumps({"a": half}))
    other = json.dumps({"b": half})
    status, code, message = await refused(client, "/runs/log-model", run_id=run, model_json=other)
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert f"at most {MAX_BYTES} bytes" in message
    for wrong in ("", "[]", "{", "1", '{"a": "\x00"}', '{"a": NaN}', '{"a": ' + "[" * 200_000):
        status, code, _ = await refused(client, "/runs/log-model", run_id=run, model_json=wrong)
        assert (status, code) == (400, "INVALID_PARAMETER_VALUE"), wrong


@pytest.mark.parametrize("fields", [{"dataset_name": "x" * 501}, {"dataset_digest": "x" * 37}])
async def test_point_of_a_dataset_with_long_text_is_refused(
    client: httpx2.AsyncClient, fields: dict[str, str]
) -> None:
    run = await new_run(client)
    status, code, _ = await refused(client, BATCH, run_id=run, metrics=[{**POINT, **fields}])
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")


async def test_tag_that_would_empty_the_name_is_refused(client: httpx2.AsyncClient) -> None:
    run = await new_run(client, run_name="kept")
    tag = {"key": "mlflow.runName", "value": ""}
    for path, body in (("/runs/set-tag", tag), (BATCH, {"tags": [tag], "metrics": [POINT]})):
        status, code, _ = await refused(client, path, run_id=run, **body)
        assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    stored = await get_run(client, run)
    assert (stored["info"]["run_name"], "metrics" in stored["data"]) == ("kept", False)
