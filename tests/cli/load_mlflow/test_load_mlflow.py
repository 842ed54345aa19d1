"""``polystore load-mlflow`` between two services: ours speaks MLflow's protocol as a source too."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from typer.testing import Result

from tests.fixtures.cli import run_cli
from tests.fixtures.service import RunningService, running_service
from tests.mlflow.plain import Plain, accepted

pytestmark = [pytest.mark.generators, pytest.mark.xdist_group("mlflow")]
POINTS = 1_200  # more than a batch


@pytest.fixture(scope="module")
def services(
    prepared_service_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningService, RunningService]]:
    """The source and the target."""
    folders = [tmp_path_factory.mktemp(name) / "service" for name in ("source", "target")]
    for folder in folders:
        shutil.copytree(prepared_service_folder, folder)
    with running_service(folders[0]) as source, running_service(folders[1]) as target:
        yield source, target


def _client(service: RunningService) -> Plain:
    return Plain(httpx2.Client(base_url=service.url, headers=service.headers, timeout=60))


def _fill(client: Plain) -> str:
    """Make a run with everything, a deleted one, a deleted experiment, and a model; return its id.

    The second of the model's versions is gone.
    """
    experiment = client.experiment()
    body = {"experiment_id": experiment, "key": "team", "value": "A"}
    accepted(client.post("/experiments/set-experiment-tag", body))
    run = client.new_run(experiment, run_name="fit", user_id="ada")
    points = [{"key": "m", "value": n / 3, "timestamp": n, "step": n} for n in range(POINTS)]
    points += [{"key": "odd", "value": "NaN", "timestamp": 1, "step": 0}]
    for part in (points[:1000], points[1000:]):
        accepted(client.post("/runs/log-batch", {"run_id": run, "metrics": part}))
    texts = [{"key": "é", "value": "1"}]
    accepted(client.post("/runs/log-batch", {"run_id": run, "params": texts, "tags": texts}))
    dataset = {"name": "d", "digest": "1", "source_type": "local", "source": "{}"}
    accepted(client.post("/runs/log-inputs", {"run_id": run, "datasets": [{"dataset": dataset}]}))
    model = {"experiment_id": experiment, "name": "net", "source_run_id": run}
    made = accepted(client.post("/logged-models", model))["model"]["info"]["model_id"]
    outputs = {"run_id": run, "models": [{"model_id": made, "step": 3}]}
    accepted(client.post("/runs/outputs", outputs))
    file = f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/a/é.bin"
    assert client.http.put(file, content=bytes(range(256)) * 999).status_code == 200
    accepted(client.post("/runs/update", {"run_id": run, "status": "FINISHED", "end_time": 9}))
    accepted(client.post("/runs/delete", {"run_id": client.new_run(experiment)}))
    gone = client.experiment()
    client.new_run(gone)
    accepted(client.post("/experiments/delete", {"experiment_id": gone}))
    _publish(client, run, made)
    return run


def _publish(client: Plain, run: str, model_id: str) -> None:
    accepted(client.post("/registered-models/create", {"name": "it's", "description": "d"}))
    sources = [f"models:/{model_id}", client.run(run)["info"]["artifact_uri"] + "/a"]
    owners = [{"model_id": model_id}, {"run_id": run}]
    for source, owner in zip([*sources, sources[1]], [*owners, owners[1]], strict=True):
        body = {"name": "it's", "source": source, **owner}
        accepted(client.post("/model-versions/create", body))
    second = {"name": "it's", "version": "2"}
    gone = {"name": "it's", "version": "1"}
    accepted(client.send("DELETE", "/model-versions/delete", json=second))
    stage = {**gone, "stage": "Production", "archive_existing_versions": False}
    accepted(client.post("/model-versions/transition-stage", stage))
    accepted(client.post("/registered-models/alias", {**gone, "alias": "champion"}))


def _load(source: RunningService, target: RunningService, *options: str) -> Result:
    tokens = [one.headers["Authorization"].split()[1] for one in (source, target)]
    variables = {"MLFLOW_TRACKING_TOKEN": tokens[0], "POLYSTORE_TOKEN": tokens[1]}
    arguments = ("load-mlflow", source.url, "--url", target.url, "--json", *options)
    return run_cli(*arguments, **variables)


def _shown(client: Plain, run: str) -> Any:
    """Return a run and its experiment without what is never the same on two servers."""
    found = client.run(run)
    info, data = found["info"], found["data"]
    of_run = {key: info.get(key) for key in ("run_name", "user_id", "status", "start_time",
    "end_time", "lifecycle_stage")}  # fmt: skip
    tags = {tag["key"]: tag["value"] for tag in data["tags"]}
    tags = {key: value for key, value in tags.items() if not key.startswith("polystore.")}
    file = f"/api/2.0/mlflow-artifacts/artifacts{info['artifact_uri'].partition(':')[2]}/a/é.bin"
    content = client.http.get(file).content
    step = found["outputs"]["model_outputs"][0]["step"]
    datasets = found["inputs"]["dataset_inputs"]
    return of_run, tags, data["metrics"], data["params"], step, datasets, content


def _registry(client: Plain) -> Any:
    model = accepted(client.get("/registered-models/get", name="it's"))["registered_model"]
    found = accepted(client.get("/model-versions/search", filter='name = "it\'s"'))
    versions = [
        (one["version"], one["current_stage"], one.get("run_id")) for one in found["model_versions"]
    ]
    return model["description"], model["aliases"], sorted(versions)


def test_load_copies_all_and_repeating_adds_nothing(
    services: tuple[RunningService, RunningService],
) -> None:
    source, target = services
    run = _fill(_client(source))
    first = _load(source, target)
    assert first.exit_code == 0, first.output
    copied = json.loads(first.stdout.splitlines()[-1])["copied"]
    new = {kind: count["new"] for kind, count in copied.items()}
    size = 999 * 256
    assert new == {
        "experiments": 2, "runs": 3, "params": 1, "metrics": POINTS + 1, "logged models": 1,
        "models": 1, "versions": 2, "files": 1, "bytes": size,
    }  # fmt: skip
    before, after = _client(source), _client(target)
    assert _shown(after, run) == _shown(before, run)
    assert after.history(run, "m") == before.history(run, "m")
    assert _registry(after) == _registry(before)
    for view in ("ACTIVE_ONLY", "DELETED_ONLY", "ALL"):
        body = {"view_type": view, "max_results": 100}
        counts = [
            len(accepted(one.post("/experiments/search", body)).get("experiments", []))
            for one in (before, after)
        ]
        assert counts[0] == counts[1]

    again = json.loads(_load(source, target).stdout.splitlines()[-1])
    assert {count["new"] for count in again["copied"].values()} == {0}

    accepted(before.post("/runs/set-tag", {"run_id": run, "key": "late", "value": "1"}))
    _load(source, target)
    assert _shown(after, run) == _shown(before, run)


def test_load_of_what_is_no_server_names_it() -> None:
    result = run_cli("load-mlflow", "http://127.0.0.1:9", POLYSTORE_TOKEN="any")
    assert result.exit_code == 3, result.output
    assert "http://127.0.0.1:9" in result.stderr
