"""Search of logged models over MLflow's protocol."""

from typing import Any
from uuid import UUID

import pytest

from service.relational.logged_models.log_metrics import ModelPoint
from tests.relational.mlflow.logged_models.conftest import Tracking

MODELS: dict[str, dict[str, Any]] = {
    "a": {"model_type": "tree", "params": [{"key": "depth", "value": "3"}]},
    "b": {"model_type": "tree", "tags": [{"key": "team", "value": "A"}]},
    "c": {"params": [{"key": "depth", "value": "10"}]},
    "d": {},
}
# model, key, value, step, dataset
POINTS = [
    ("a", "acc", 0.9, 1, ""), ("a", "acc", 0.2, 2, ""), ("a", "acc", 0.7, 1, "test"),
    ("b", "acc", 0.5, 1, ""), ("b", "acc", 0.8, 1, "test"), ("c", "acc", float("nan"), 1, ""),
    ("c", "loss", 1.0, 1, ""),
]  # fmt: skip


@pytest.fixture
async def models(tracking: Tracking) -> Tracking:
    """The models ``a`` to ``d``, in the order of their creation."""
    ids = {}
    for name, fields in MODELS.items():
        ids[name] = (await tracking.model(name=name, **fields))["info"]["model_id"]
    points = [
        ModelPoint(UUID(ids[name][2:]), key, value, 7, step, dataset, "d1" if dataset else "")
        for name, key, value, step, dataset in POINTS
    ]
    for _ in range(2):  # a repeated request adds nothing
        await tracking.add_points(points)
    return tracking


async def _found(tracking: Tracking, **wanted: Any) -> str:
    body = {"experiment_ids": [tracking.experiment], **wanted}
    found = await tracking.call("POST", "/logged-models/search", **body)
    return "".join(model["info"]["name"] for model in found.get("models", []))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "dcba"),
        ("name = 'a'", "a"),
        ("name IN ('a', 'd')", "da"),
        ("attributes.model_type LIKE 'tr%'", "ba"),
        ("status = 'PENDING' AND name != 'a'", "dcb"),
        ("status = 'LOGGED_MODEL_READY'", ""),
        ("params.depth = '3'", "a"),
        ("params.depth != '3'", "c"),
        ("tags.team ILIKE 'a'", "b"),
        ("metrics.acc > 0.8", "a"),  # any point, not only the latest
        ("metrics.acc != 0.2", "cba"),
        ("creation_timestamp > 0", "dcba"),
        ("last_updated_timestamp < 0", ""),
        ("model_id = 'none'", ""),
    ],
)
async def test_filter_finds_models(models: Tracking, text: str, expected: str) -> None:
    assert await _found(models, filter=text) == expected


@pytest.mark.parametrize(
    ("datasets", "text", "expected"),
    [
        ([{"dataset_name": "test"}], "", "ba"),
        ([{"dataset_name": "test"}], "metrics.acc > 0.75", "b"),
        ([{"dataset_name": "test", "dataset_digest": "d2"}], "", ""),
        ([{"dataset_name": "x"}, {"dataset_name": "test", "dataset_digest": "d1"}], "", "ba"),
    ],
    ids=["name", "metric", "other digest", "two"],
)
async def test_datasets_narrow_the_metrics(
    models: Tracking, datasets: list[dict[str, str]], text: str, expected: str
) -> None:
    assert await _found(models, filter=text, datasets=datasets) == expected


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ([{"field_name": "name"}], "abcd"),
        ([{"field_name": "metrics.acc"}], "abcd"),  # NaN behind the numbers, then none
        ([{"field_name": "metrics.acc", "ascending": False}], "bacd"),
        ([{"field_name": "metrics.acc", "dataset_name": "test"}], "abdc"),
        ([{"field_name": "model_type"}, {"field_name": "creation_time"}], "abcd"),
    ],
    ids=["name", "latest", "descending", "dataset", "two"],
)
async def test_order_is_by_the_latest_point(
    models: Tracking, order: list[dict[str, Any]], expected: str
) -> None:
    assert await _found(models, order_by=order) == expected


async def test_pages_lose_no_model(models: Tracking) -> None:
    wanted = {
        "experiment_ids": [models.experiment],
        "order_by": [{"field_name": "metrics.acc", "ascending": False}],
        "max_results": 1,
    }
    names, token = "", None
    while token is not None or not names:
        page = await models.call("POST", "/logged-models/search", **wanted, page_token=token)
        assert len(page["models"]) == 1
        names += page["models"][0]["info"]["name"]
        token = page.get("next_page_token")
        wanted["max_results"] = 1
    assert names == "bacd"


async def test_model_has_every_point_once(models: Tracking) -> None:
    body = {"experiment_ids": [models.experiment], "filter": "name IN ('a', 'c')"}
    first, second = (await models.call("POST", "/logged-models/search", **body))["models"]
    of_c = first["data"]["metrics"]
    assert [(one["key"], one["value"]) for one in of_c] == [("acc", "NaN"), ("loss", 1.0)]
    points = second["data"]["metrics"]
    assert [(one["step"], one["value"], one.get("dataset_name")) for one in points] == [
        (1, 0.7, "test"), (1, 0.9, None), (2, 0.2, None),
    ]  # fmt: skip
    assert points[0] == {
        "key": "acc", "value": 0.7, "timestamp": 7, "step": 1, "dataset_name": "test",
        "dataset_digest": "d1", "model_id": second["info"]["model_id"], "run_id": models.run,
    }  # fmt: skip


async def test_unknown_experiments_have_no_models(models: Tracking) -> None:
    assert await _found(models, experiment_ids=["f" * 32, "none", "77"]) == ""
    assert await _found(models, experiment_ids=[]) == ""


@pytest.mark.parametrize(
    "body",
    [
        {"filter": "loss"},
        {"filter": "dataset.name = 'x'"},
        {"filter": "metrics.acc > '1'"},
        {"order_by": [{"field_name": "params.depth"}]},
        {"order_by": [{"field_name": "nothing"}]},
        {"order_by": [None]},
        {"datasets": [{"dataset_name": ""}]},
        {"max_results": 0},
        {"max_results": 50_001},
        {"page_token": "eyJvZmZzZXQiOiAtMX0="},
    ],
    ids=str,
)
async def test_wrong_search_is_refused(tracking: Tracking, body: dict[str, Any]) -> None:
    wanted = {"experiment_ids": [tracking.experiment], **body}
    refused = await tracking.refused("POST", "/logged-models/search", **wanted)
    assert refused == (400, "INVALID_PARAMETER_VALUE")
