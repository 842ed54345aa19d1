"""``polystore load-mlflow`` between two services: ours speaks MLflow's protocol as a source too."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest
from typer.testing import Result

from service.cli.load_mlflow.command import INTERRUPTED
from service.cli.load_mlflow.server import Server
from tests.fixtures.cli import run_cli
from tests.fixtures.service import RunningService, running_service
from tests.mlflow.plain import Plain, accepted

pytestmark = [pytest.mark.generators, pytest.mark.xdist_group("mlflow")]
POINTS = 1_200  # more than a batch
TABLES = (
    "experiments", "experiment_tags", "runs", "run_params", "run_tags", "run_metrics",
    "metric_points", "datasets", "run_datasets", "run_models", "logged_models",
    "logged_model_params", "logged_model_metrics", "logged_model_tags", "registered_models",
    "registered_model_tags", "model_versions", "model_version_tags", "model_aliases",
)  # fmt: skip


@pytest.fixture(scope="module")
def services(
    prepared_service_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningService, RunningService]]:
    """The source and the target."""
    folders = [tmp_path_factory.mktemp(name) / "service" for name in ("source", "target")]
    for folder in folders:
        shutil.copytree(prepared_service_folder, folder)
    with ExitStack() as stack:
        with ThreadPoolExecutor() as pool:  # both start at once
            source, target = pool.map(stack.enter_context, map(running_service, folders))
        yield source, target


@pytest.fixture
def clients(services: tuple[RunningService, RunningService]) -> Iterator[tuple[Plain, Plain]]:
    """Clients of the source and the target."""
    with _client(services[0]) as source, _client(services[1]) as target:
        yield source, target


@contextmanager
def _client(service: RunningService) -> Iterator[Plain]:
    with httpx2.Client(base_url=service.url, headers=service.headers, timeout=60) as http:
        yield Plain(http)


def _fill(client: Plain, registered: str) -> str:
    """Make a run with everything, a deleted one, a deleted experiment, and a model; return its id.

    The second of the registered model's versions is gone.
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
    model = {"experiment_id": experiment, "name": "net", "source_run_id": run, "params": texts}
    made = accepted(client.post("/logged-models", model))["model"]["info"]["model_id"]
    score = {"key": "score", "value": 0.5, "timestamp": 1, "step": 3, "model_id": made}
    accepted(client.post("/runs/log-batch", {"run_id": run, "metrics": [score]}))
    outputs = {"run_id": run, "models": [{"model_id": made, "step": 3}]}
    accepted(client.post("/runs/outputs", outputs))
    file = f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/a/é.bin"
    assert client.http.put(file, content=bytes(range(256)) * 999).status_code == 200
    accepted(client.post("/runs/update", {"run_id": run, "status": "FINISHED", "end_time": 9}))
    accepted(client.post("/runs/delete", {"run_id": client.new_run(experiment)}))
    gone = client.experiment()
    client.new_run(gone)
    accepted(client.post("/experiments/delete", {"experiment_id": gone}))
    _publish(client, registered, run, made)
    return run


def _publish(client: Plain, name: str, run: str, model_id: str) -> None:
    tags = [{"key": "t", "value": "1"}]
    model = {"name": name, "description": "d", "tags": tags}
    accepted(client.post("/registered-models/create", model))
    sources = [f"models:/{model_id}", client.run(run)["info"]["artifact_uri"] + "/a"]
    owners = [{"model_id": model_id}, {"run_id": run}]
    for source, owner in zip([*sources, sources[1]], [*owners, owners[1]], strict=True):
        body = {"name": name, "source": source, "tags": tags, **owner}
        accepted(client.post("/model-versions/create", body))
    first, second = ({"name": name, "version": version} for version in "12")
    accepted(client.send("DELETE", "/model-versions/delete", json=second))
    stage = {**first, "stage": "Production", "archive_existing_versions": False}
    accepted(client.post("/model-versions/transition-stage", stage))
    accepted(client.post("/registered-models/alias", {**first, "alias": "champion"}))


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
    metrics = sorted(data["metrics"], key=lambda metric: str(metric["key"]))
    return of_run, tags, metrics, data["params"], step, datasets, content


def _registry(client: Plain, name: str) -> Any:
    model = accepted(client.get("/registered-models/get", name=name))["registered_model"]
    found = accepted(client.get("/model-versions/search", filter=f'name = "{name}"'))
    versions = [
        (one["version"], one["current_stage"], one.get("run_id"), "models" in one["source"],
         [tag for tag in one["tags"] if not tag["key"].startswith("polystore.")])
        for one in found["model_versions"]
    ]  # fmt: skip
    return model["description"], model["tags"], model["aliases"], sorted(versions)


def _assert_same(clients: tuple[Plain, Plain], run: str, registered: str) -> None:
    before, after = clients
    assert _shown(after, run) == _shown(before, run)
    assert after.history(run, "m") == before.history(run, "m")
    assert _registry(after, registered) == _registry(before, registered)
    for view in ("ACTIVE_ONLY", "DELETED_ONLY"):
        body = {"view_type": view, "max_results": 100}
        names = [
            {
                one["name"]
                for one in accepted(client.post("/experiments/search", body))["experiments"]
            }
            for client in clients
        ]
        assert names[0] == names[1]


def _rows(service: RunningService) -> dict[str, int]:
    """Return how many rows each table of the service has."""
    folder = service.log.parent / "data" / "postgres"
    password, port = ((folder / name).read_text().strip() for name in ("password", "port"))

    async def counted() -> dict[str, int]:
        url = f"postgresql://polystore:{password}@127.0.0.1:{port}/polystore"
        connection = await asyncpg.connect(url)
        try:
            return {
                table: await connection.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608 - ours
                for table in TABLES
            }
        finally:
            await connection.close()

    return asyncio.run(counted())


def _new(result: Result) -> dict[str, int]:
    assert result.exit_code == 0, result.output
    copied = json.loads(result.stdout.splitlines()[-1])["copied"]
    return {kind: counts["new"] for kind, counts in copied.items()}


def _cut_after(writes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """End the load as Ctrl-C does, when the target has made a write and nobody knows it."""
    send, numbers = Server.send, count(1)

    def cut(self: Server, method: str, path: str, **options: Any) -> Any:
        answer = send(self, method, path, **options)
        if method != "GET" and not path.endswith("/search") and next(numbers) == writes:
            raise KeyboardInterrupt
        return answer

    monkeypatch.setattr(Server, "send", cut)


def test_load_copies_all_and_repeating_adds_nothing(
    services: tuple[RunningService, RunningService], clients: tuple[Plain, Plain]
) -> None:
    source, target = services
    run = _fill(clients[0], "it's")
    new = _new(_load(source, target))
    assert new == {  # the point of the logged model came with it
        "experiments": 2, "runs": 3, "params": 1, "metrics": POINTS + 1, "logged models": 1,
        "models": 1, "versions": 2, "files": 1, "bytes": 999 * 256,
    }  # fmt: skip
    _assert_same(clients, run, "it's")
    loaded = _rows(target)
    assert all(loaded.values()), loaded
    assert set(_new(_load(source, target)).values()) == {0}
    assert _rows(target) == loaded

    late = {"run_id": run, "key": "late", "value": "1"}
    accepted(clients[0].post("/runs/set-tag", late))
    assert set(_new(_load(source, target)).values()) == {0}
    assert _rows(target) == {**loaded, "run_tags": loaded["run_tags"] + 1}
    _assert_same(clients, run, "it's")


def test_load_that_is_cut_and_repeated_ends_the_same(
    services: tuple[RunningService, RunningService], clients: tuple[Plain, Plain]
) -> None:
    source, target = services
    assert _load(source, target).exit_code == 0
    empty = _rows(target)
    run, cuts = _fill(clients[0], "cut"), 0
    for writes in range(1, 100, 3):
        with pytest.MonkeyPatch.context() as patch:
            _cut_after(writes, patch)
            result = _load(source, target)
        if result.exit_code == 0:
            break
        assert result.exit_code == INTERRUPTED, result.output
        cuts += 1
    assert cuts > 3
    assert set(_new(_load(source, target)).values()) == {0}
    _assert_same(clients, run, "cut")
    cut = {table: number - empty[table] for table, number in _rows(target).items()}

    run = _fill(clients[0], "whole")
    whole = _rows(target)
    assert _load(source, target).exit_code == 0
    assert {table: number - whole[table] for table, number in _rows(target).items()} == cut
