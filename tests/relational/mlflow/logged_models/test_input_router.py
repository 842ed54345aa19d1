"""Inputs and outputs of runs over MLflow's protocol."""

import asyncio
from typing import Any

import pytest

from service.relational.runs.input_tables import Dataset, RunDataset, RunModel
from tests.relational.mlflow.logged_models.conftest import Tracking

DATASET = {"name": "iris", "digest": "a1b2", "source_type": "local", "source": "{}"}
TRAINING = [{"key": "mlflow.data.context", "value": "training"}, {"key": "rows", "value": "150"}]


def _logged(**changed: Any) -> dict[str, Any]:
    return {"dataset": {**DATASET, **changed}, "tags": TRAINING}


async def test_dataset_logged_again_stays_as_it_was(tracking: Tracking) -> None:
    first = _logged(schema="{}", profile="p")
    await tracking.call("POST", "/runs/log-inputs", run_id=tracking.run, datasets=[first, first])
    again = {**_logged(source="other"), "tags": [{"key": "x", "value": "y"}]}
    for run in (tracking.run, tracking.run, tracking.other_run):
        await tracking.call("POST", "/runs/log-inputs", run_id=run, datasets=[again])
    columns = Dataset.name, Dataset.digest, Dataset.source, Dataset.schema, Dataset.profile
    assert await tracking.rows(*columns) == [("iris", "a1b2", "{}", "{}", "p")]
    rows = await tracking.rows(RunDataset.run_id, RunDataset.context, RunDataset.tags)
    assert {(key.hex, context): tags for key, context, tags in rows} == {
        (tracking.run, "training"): {"mlflow.data.context": "training", "rows": "150"},
        (tracking.other_run, None): {"x": "y"},
    }


async def test_same_datasets_from_eight_at_once_are_kept_once(tracking: Tracking) -> None:
    datasets = [_logged(digest=f"d{number}") for number in range(5)]

    async def log(place: int) -> None:
        order = datasets if place % 2 else datasets[::-1]
        run = tracking.run if place % 3 else tracking.other_run
        await tracking.call("POST", "/runs/log-inputs", run_id=run, datasets=order)

    await asyncio.gather(*map(log, range(8)))
    assert len(await tracking.rows(Dataset.id)) == 5
    assert len(await tracking.rows(RunDataset.run_id)) == 10


async def test_outputs_repeated_change_nothing(tracking: Tracking) -> None:
    key = (await tracking.model())["info"]["model_id"]
    models = [{"model_id": key, "step": 3}, {"model_id": key, "step": "3"}, {"model_id": key}]
    for _ in range(2):
        await tracking.call("POST", "/runs/outputs", run_id=tracking.run, models=models)
        await tracking.call("POST", "/runs/log-inputs", run_id=tracking.run, models=models[:1])
    rows = await tracking.rows(RunModel.direction, RunModel.step)
    assert sorted(map(tuple, rows)) == [("input", 0), ("output", 0), ("output", 3)]


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("log-inputs", {"run_id": "f" * 32, "datasets": []}, 404),
        ("log-inputs", {"datasets": [{"dataset": {"name": "iris"}}]}, 400),
        ("log-inputs", {"datasets": [_logged(name="n" * 501)]}, 400),
        ("log-inputs", {"datasets": [_logged(source="s" * 65536)]}, 400),
        ("log-inputs", {"datasets": [{"tags": TRAINING}]}, 400),
        ("log-inputs", {"models": [{"model_id": "m-" + "f" * 32}]}, 404),
        ("outputs", {"models": [{"model_id": "none"}]}, 404),
        ("outputs", {"models": [{"model_id": "m-" + "f" * 32, "step": 2**63}]}, 400),
    ],
    ids=[
        "unknown run",
        "no digest",
        "long name",
        "long source",
        "no dataset",
        "unknown model",
        "no model id",
        "step",
    ],
)
async def test_wrong_inputs_are_refused_whole(
    tracking: Tracking, path: str, body: dict[str, Any], expected: int
) -> None:
    wanted = {"run_id": tracking.run, **body}
    if "models" in body and path == "log-inputs":
        wanted["datasets"] = [_logged()]
    assert (await tracking.refused("POST", f"/runs/{path}", **wanted))[0] == expected
    assert await tracking.rows(Dataset.id) == []


async def test_search_of_datasets_names_each_context(tracking: Tracking) -> None:
    for run, digest in ((tracking.run, "a"), (tracking.other_run, "a"), (tracking.run, "b")):
        dataset = (
            _logged(digest=digest)
            if run == tracking.run
            else {"dataset": {**DATASET, "digest": digest}}
        )
        await tracking.call("POST", "/runs/log-inputs", run_id=run, datasets=[dataset])
    ids = [tracking.experiment, "f" * 32, "none"]
    found = await tracking.call("POST", "/experiments/search-datasets", experiment_ids=ids)
    of_iris = {"experiment_id": tracking.experiment, "name": "iris"}
    assert found["dataset_summaries"] == [
        {**of_iris, "digest": "a", "context": "training"},
        {**of_iris, "digest": "a"},
        {**of_iris, "digest": "b", "context": "training"},
    ]
    nothing = await tracking.refused("POST", "/experiments/search-datasets", experiment_ids=[])
    assert nothing == (400, "INVALID_PARAMETER_VALUE")
