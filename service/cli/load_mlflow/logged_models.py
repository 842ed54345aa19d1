"""Logged models, which servers have since 3: here they have a new id, and the old one as a tag."""

from collections.abc import Iterator
from typing import Any

from httpx2 import codes

from service.cli.load_mlflow.artifacts import copy_files, is_served
from service.cli.load_mlflow.copying import LOADED_TAG, SOURCE_TAG, Copying, Experiment, chunks
from service.cli.load_mlflow.server import API, Refused, pairs, rows

MODELS = f"{API}/logged-models"
VERSIONS_TAG = "mlflow.modelVersions"  # the registry writes it
BATCH = 1000
FIELDS = ("name", "model_type", "source_run_id")
UNKNOWN = (codes.NOT_FOUND, codes.METHOD_NOT_ALLOWED)


def copy_logged_models(copying: Copying, experiment: Experiment) -> None:
    """Copy the logged models of an experiment, with their metrics and files."""
    for model in _source_models(copying, experiment):
        name = f"logged model {model['info']['model_id']} of {experiment.name}"
        copying.outcome.found["logged models"] += 1
        try:
            _copy(copying, experiment, model, name)
        except Refused as refusal:
            copying.outcome.leave_out(name, refusal)


def _source_models(copying: Copying, experiment: Experiment) -> Iterator[dict[str, Any]]:
    wanted = {"experiment_ids": [experiment.source_id], "max_results": 50}
    try:
        yield from copying.source.pages("POST", f"{MODELS}/search", "models", **wanted)
    except Refused as refusal:
        if refusal.status not in UNKNOWN:  # a server before 3
            raise


def _copy(copying: Copying, experiment: Experiment, model: dict[str, Any], name: str) -> None:
    source_id, digest = model["info"]["model_id"], copying.digest(model)
    here = _find(copying, experiment, source_id)
    if here is not None:
        copying.models[source_id] = here["info"]["model_id"]
        if pairs(here["info"].get("tags")).get(LOADED_TAG) == digest:
            return
    experiment.wake(copying.target)
    if here is None:
        here = _make(copying, experiment, model)
        copying.models[source_id] = here["info"]["model_id"]
        copying.outcome.new["logged models"] += 1
    before = copying.outcome.to_repeat
    _log_metrics(copying, model, here["info"]["model_id"])
    _files(copying, model, here, name)
    one = f"{MODELS}/{here['info']['model_id']}"
    if (status := model["info"].get("status", "")) in (
        "LOGGED_MODEL_READY",
        "LOGGED_MODEL_UPLOAD_FAILED",
    ):
        copying.target.send("PATCH", one, json={"status": status})
    if copying.outcome.to_repeat == before:
        tags = {**_tags(model), LOADED_TAG: digest}
        copying.target.send("PATCH", f"{one}/tags", json={"tags": rows(tags)})


def _find(copying: Copying, experiment: Experiment, source_id: str) -> dict[str, Any] | None:
    found = copying.target.post(
        f"{MODELS}/search",
        experiment_ids=[experiment.target_id],
        filter=f"tags.`{SOURCE_TAG}` = '{source_id}'",
    )
    models: list[dict[str, Any]] = found.get("models", [])
    return models[0] if models else None


def _tags(model: dict[str, Any]) -> dict[str, str]:
    tags = pairs(model["info"].get("tags"))
    tags.pop(VERSIONS_TAG, None)
    return {**tags, SOURCE_TAG: model["info"]["model_id"]}


def _make(copying: Copying, experiment: Experiment, model: dict[str, Any]) -> dict[str, Any]:
    """Make it; without its run if that was purged at the source."""
    info = model["info"]
    body = {field: info[field] for field in FIELDS if info.get(field)}
    body |= {"experiment_id": experiment.target_id, "tags": rows(_tags(model))}
    body["params"] = model.get("data", {}).get("params", [])
    try:
        made = copying.target.post(MODELS, **body)
    except Refused as refusal:
        if refusal.status != codes.NOT_FOUND or "source_run_id" not in body:
            raise
        del body["source_run_id"]
        made = copying.target.post(MODELS, **body)
    found: dict[str, Any] = made["model"]
    return found


def _log_metrics(copying: Copying, model: dict[str, Any], here: str) -> None:
    of_run: dict[str, list[dict[str, Any]]] = {}
    for metric in model.get("data", {}).get("metrics", ()):
        run_id = metric.get("run_id") or model["info"].get("source_run_id", "")
        point = {key: value for key, value in metric.items() if key != "run_id"}
        of_run.setdefault(run_id, []).append({**point, "model_id": here})
    for run_id, points in of_run.items():
        for chunk in chunks(points, BATCH):
            copying.target.post(f"{API}/runs/log-batch", run_id=run_id, metrics=chunk)


def _files(copying: Copying, model: dict[str, Any], here: dict[str, Any], name: str) -> None:
    source, target = model["info"].get("artifact_uri", ""), here["info"]["artifact_uri"]
    if not copying.with_artifacts:
        return
    if is_served(source):
        copy_files(copying, source, target, name)
    else:
        copying.outcome.leave_out(f"artifacts of {name}", f"they are at {source}", for_good=True)
