"""Params, tags, histories of metrics, inputs and outputs, and files of runs."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from service.cli.load_mlflow.artifacts import copy_files, is_served
from service.cli.load_mlflow.copying import LOADED_TAG, Copying, Experiment, chunks
from service.cli.load_mlflow.experiments import source_runs
from service.cli.load_mlflow.server import API, Refused, pairs

BATCH = 1000  # the largest of each kind
PAGE_POINTS = 10_000
MAX_CHARACTERS = {"params": 6000, "tags": 8000}  # of a value
OPEN = {"RUNNING", "SCHEDULED"}


def fill_runs(copying: Copying, experiment: Experiment) -> None:
    """Copy what runs have logged; a run that has ended and is copied is passed over."""
    for run in source_runs(copying, experiment):
        try:
            _fill(copying, experiment, run)
        except Refused as refusal:
            copying.outcome.leave_out(_name(run, experiment), refusal)
        copying.on_run()


def _name(run: dict[str, Any], experiment: Experiment) -> str:
    return f"run {run['info']['run_id']} of {experiment.name}"


def _fill(copying: Copying, experiment: Experiment, run: dict[str, Any]) -> None:
    info, target = run["info"], copying.target
    key, digest = {"run_id": info["run_id"]}, copying.digest(run)
    found = target.find(f"{API}/runs/get", **key)
    if found is None:
        return  # it was reported when it could not be made
    here = found["run"]
    if here["info"]["experiment_id"] != experiment.target_id:
        raise Refused(0, "a run of this id is in another experiment here")
    deleted = info.get("lifecycle_stage") == "deleted" and not experiment.is_deleted
    is_deleted_here = here["info"]["lifecycle_stage"] == "deleted" and not experiment.asleep
    loaded = pairs(here["data"].get("tags")).get(LOADED_TAG) == digest
    if loaded and info["status"] not in OPEN and is_deleted_here == deleted:
        return
    if is_deleted_here and not deleted:
        raise Refused(0, "it is deleted here; restore it first")
    experiment.wake(target)
    if is_deleted_here:
        target.post(f"{API}/runs/restore", **key)
    _write(copying, experiment, run, here["info"]["artifact_uri"], digest)
    if deleted:
        target.post(f"{API}/runs/delete", **key)


def _write(
    copying: Copying, experiment: Experiment, run: dict[str, Any], root: str, digest: str
) -> None:
    """Write all parts, and mark the run as copied if none is missing."""
    outcome, info = copying.outcome, run["info"]
    before = outcome.to_repeat
    name = _name(run, experiment)
    for part in _parts(copying, run, root, name):
        try:
            part()
        except Refused as refusal:
            outcome.leave_out(name, refusal)
    ends = {"end_time": info["end_time"]} if info.get("end_time") else {}
    copying.target.post(f"{API}/runs/update", run_id=info["run_id"], status=info["status"], **ends)
    if outcome.to_repeat == before:
        tag = {"key": LOADED_TAG, "value": digest}
        copying.target.post(f"{API}/runs/set-tag", run_id=info["run_id"], **tag)


def _parts(copying: Copying, run: dict[str, Any], root: str, name: str) -> Iterator[Any]:
    yield from (lambda kind=kind: _texts(copying, run, kind, name) for kind in MAX_CHARACTERS)
    yield lambda: _metrics(copying, run)
    yield lambda: _links(copying, run, name)
    source = run["info"].get("artifact_uri", "")
    if copying.with_artifacts and is_served(source):
        yield lambda: copy_files(copying, source, root, name)
    elif copying.with_artifacts and source != root:
        copying.outcome.leave_out(f"artifacts of {name}", f"they are at {source}", for_good=True)


def _texts(copying: Copying, run: dict[str, Any], kind: str, name: str) -> None:
    texts, longest = pairs(run["data"].get(kind)), MAX_CHARACTERS[kind]
    texts.pop("mlflow.runName", None)
    for key, value in texts.items():
        if len(value) > longest:
            reason = f"cut to {longest} characters"
            copying.outcome.leave_out(f"{kind} {key} of {name}", reason, for_good=True)
    copying.outcome.found[kind] += len(texts)
    for chunk in chunks(texts.items(), BATCH):
        body = {kind: {key: value[:longest] for key, value in chunk}}
        _log(copying, run["info"]["run_id"], **body)


def _log(copying: Copying, run_id: str, **batch: Any) -> None:
    logged = copying.target.post(f"/v1/runs/{UUID(run_id)}/log", **batch)
    copying.outcome.new.update(params=logged["params"], metrics=logged["metrics"])


def _metrics(copying: Copying, run: dict[str, Any]) -> None:
    run_id = run["info"]["run_id"]
    for chunk in chunks(_points(copying, run), BATCH):
        copying.outcome.found["metrics"] += len(chunk)
        _log(copying, run_id, metrics=chunk)


def _points(copying: Copying, run: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the points of all histories; servers before 3 send each as one page."""
    for key in {row["key"]: None for row in run["data"].get("metrics", ())}:
        wanted = {"run_id": run["info"]["run_id"], "metric_key": key, "max_results": PAGE_POINTS}
        path = f"{API}/metrics/get-history"
        for point in copying.source.pages("GET", path, "metrics", **wanted):
            yield {
                "key": key,
                "value": point["value"],
                "timestamp_ms": int(point["timestamp"]),
                "step": int(point.get("step", 0)),
            }


def _links(copying: Copying, run: dict[str, Any], name: str) -> None:
    """Copy the datasets and logged models that the run had as inputs or made."""
    run_id, inputs = run["info"]["run_id"], run.get("inputs", {})
    models = list(_models(copying, inputs.get("model_inputs"), name))
    for datasets in chunks(inputs.get("dataset_inputs", ()), BATCH):
        copying.target.post(f"{API}/runs/log-inputs", run_id=run_id, datasets=datasets)
    for chunk in chunks(models, BATCH):
        copying.target.post(f"{API}/runs/log-inputs", run_id=run_id, models=chunk)
    made = _models(copying, run.get("outputs", {}).get("model_outputs"), name)
    for chunk in chunks(made, BATCH):
        copying.target.post(f"{API}/runs/outputs", run_id=run_id, models=chunk)


def _models(
    copying: Copying, links: list[dict[str, Any]] | None, name: str
) -> Iterator[dict[str, Any]]:
    for link in links or ():
        here = copying.models.get(link["model_id"])
        if here is None:
            copying.outcome.leave_out(f"logged model {link['model_id']} of {name}", "it is gone")
        else:
            yield {**link, "model_id": here}
