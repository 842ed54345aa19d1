"""Logged models over MLflow's protocol."""

import asyncio
from typing import Any

import pytest

from tests.relational.mlflow.logged_models.conftest import Tracking

PARAMS = [{"key": "C", "value": "1.0"}, {"key": "solver", "value": "lbfgs"}]
TAGS = [{"key": "mlflow.sourceName", "value": "train.py"}]


async def test_new_model_is_pending_below_its_experiment(tracking: Tracking) -> None:
    model = await tracking.model(
        name="clf", model_type="tree", source_run_id=tracking.run, params=PARAMS, tags=TAGS
    )
    info = model["info"]
    created, key = info.pop("creation_timestamp_ms"), info.pop("model_id")
    assert key.startswith("m-")
    assert len(key) == 34
    assert info == {
        "experiment_id": tracking.experiment,
        "name": "clf",
        "last_updated_timestamp_ms": created,
        "artifact_uri": f"mlflow-artifacts:/{tracking.experiment}/models/{key}/artifacts",
        "status": "LOGGED_MODEL_PENDING",
        "model_type": "tree",
        "source_run_id": tracking.run,
        "tags": TAGS,
    }
    assert model["data"] == {"params": PARAMS}
    assert await tracking.call("GET", f"/logged-models/{key}") == {
        "model": {**model, "info": {**info, "creation_timestamp_ms": created, "model_id": key}}
    }


async def test_model_without_fields_has_an_invented_name(tracking: Tracking) -> None:
    model = await tracking.model(name="")
    assert model["info"]["name"]
    assert model["data"] == {}


@pytest.mark.parametrize("status", ["LOGGED_MODEL_READY", "READY", 2])
async def test_finish_takes_names_and_numbers(tracking: Tracking, status: Any) -> None:
    key = (await tracking.model())["info"]["model_id"]
    done = await tracking.call("PATCH", f"/logged-models/{key}", model_id=key, status=status)
    assert done["model"]["info"]["status"] == "LOGGED_MODEL_READY"


async def test_deleted_model_is_found_only_if_allowed(tracking: Tracking) -> None:
    key = (await tracking.model())["info"]["model_id"]
    for _ in range(2):  # its answer may have been lost
        assert await tracking.call("DELETE", f"/logged-models/{key}") == {}
    unknown = (404, "RESOURCE_DOES_NOT_EXIST")
    assert await tracking.refused("GET", f"/logged-models/{key}") == unknown
    assert await tracking.refused("PATCH", f"/logged-models/{key}/tags", tags=TAGS) == unknown
    allowed = await tracking.call("GET", f"/logged-models/{key}", allow_deleted="true")
    assert allowed["model"]["info"]["model_id"] == key
    found = await tracking.call(
        "POST", "/logged-models/search", experiment_ids=[tracking.experiment]
    )
    assert found == {}


async def test_param_stays_as_logged_first(tracking: Tracking) -> None:
    key = (await tracking.model(params=PARAMS))["info"]["model_id"]
    address = f"/logged-models/{key}/params"
    assert await tracking.call("POST", address, params=[PARAMS[0], {"key": "x"}]) == {}
    other = [{"key": "a", "value": "1"}, {"key": "C", "value": "2.0"}]
    refused = await tracking.refused("POST", address, params=other)
    assert refused == (400, "INVALID_PARAMETER_VALUE")
    model = (await tracking.call("GET", f"/logged-models/{key}"))["model"]
    assert model["data"]["params"] == [PARAMS[0], PARAMS[1], {"key": "x", "value": ""}]


async def test_tags_are_replaced_and_removed(tracking: Tracking) -> None:
    key = (await tracking.model(tags=TAGS))["info"]["model_id"]
    changed = [{"key": "a b/c", "value": "é"}, {**TAGS[0], "value": "2"}]
    await tracking.call("PATCH", f"/logged-models/{key}/tags", tags=changed)
    model = (await tracking.call("GET", f"/logged-models/{key}"))["model"]
    assert model["info"]["tags"] == changed
    assert await tracking.call("DELETE", f"/logged-models/{key}/tags/a%20b/c") == {}
    again = await tracking.refused("DELETE", f"/logged-models/{key}/tags/a%20b/c")
    assert again == (404, "RESOURCE_DOES_NOT_EXIST")


async def test_same_tags_from_eight_at_once_do_not_fail(tracking: Tracking) -> None:
    key = (await tracking.model())["info"]["model_id"]
    keys = [f"k{number}" for number in range(20)]

    async def put(place: int) -> None:
        order = keys if place % 2 else keys[::-1]
        tags = [{"key": name, "value": str(place)} for name in order]
        await tracking.call("PATCH", f"/logged-models/{key}/tags", tags=tags)

    await asyncio.gather(*map(put, range(8)))
    tags = (await tracking.call("GET", f"/logged-models/{key}"))["model"]["info"]["tags"]
    assert sorted(tag["key"] for tag in tags) == sorted(keys)
    assert len({tag["value"] for tag in tags}) == 1  # one request was last, with all its tags


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param({"name": "a/b"}, "INVALID_PARAMETER_VALUE", id="slash"),
        pytest.param({"name": "a\0"}, "INVALID_PARAMETER_VALUE", id="nul"),
        pytest.param({"experiment_id": None}, "INVALID_PARAMETER_VALUE", id="no experiment"),
        pytest.param({"params": [{"key": "../x"}]}, "INVALID_PARAMETER_VALUE", id="key"),
        pytest.param({"params": [None]}, "INVALID_PARAMETER_VALUE", id="null"),
        pytest.param({"experiment_id": "f" * 32}, "RESOURCE_DOES_NOT_EXIST", id="unknown"),
        pytest.param({"experiment_id": "none"}, "RESOURCE_DOES_NOT_EXIST", id="no id"),
        pytest.param({"source_run_id": "f" * 32}, "RESOURCE_DOES_NOT_EXIST", id="run"),
    ],
)
async def test_wrong_model_is_refused(tracking: Tracking, body: dict[str, Any], code: str) -> None:
    wanted = {"experiment_id": tracking.experiment, **body}
    refused = await tracking.refused("POST", "/logged-models", **wanted)
    assert refused == (404 if code == "RESOURCE_DOES_NOT_EXIST" else 400, code)


@pytest.mark.parametrize("text", ["m-", "x", "f" * 32, "m-" + "g" * 32, "m-" + "f" * 32])
async def test_text_that_is_no_model_is_unknown(tracking: Tracking, text: str) -> None:
    refused = await tracking.refused("GET", f"/logged-models/{text}")
    assert refused == (404, "RESOURCE_DOES_NOT_EXIST")
