"""Experiments, which are matched by name, and their runs without what they have logged."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from service.cli.load_mlflow.artifacts import is_served
from service.cli.load_mlflow.copying import SOURCE_TAG, Copying, Experiment
from service.cli.load_mlflow.server import API, Refused, pairs, rows

PAGE_EXPERIMENTS, PAGE_RUNS = 1000, 100
DEFAULT_ID = UUID("00000000-0000-7000-8000-000000000000")  # MLflow's "0"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def copy_experiments(copying: Copying) -> Iterator[Experiment]:
    """Yield each experiment that is here now."""
    wanted = {"max_results": PAGE_EXPERIMENTS, "view_type": "ALL"}
    found = copying.source.pages("POST", f"{API}/experiments/search", "experiments", **wanted)
    for experiment in found:
        copying.outcome.found["experiments"] += 1
        try:
            yield _copied(copying, experiment)
        except Refused as refusal:
            copying.outcome.leave_out(f"experiment {experiment['name']}", refusal)


def _copied(copying: Copying, experiment: dict[str, Any]) -> Experiment:
    target, name = copying.target, experiment["name"]
    tags = pairs(experiment.get("tags"))
    tags.setdefault(SOURCE_TAG, experiment["experiment_id"])
    is_deleted = experiment.get("lifecycle_stage") == "deleted"
    found = target.find(f"{API}/experiments/get-by-name", experiment_name=name)
    if found is None:
        location = experiment.get("artifact_location", "")
        elsewhere = {} if not location or is_served(location) else {"artifact_location": location}
        made = target.post(f"{API}/experiments/create", name=name, tags=rows(tags), **elsewhere)
        copying.outcome.new["experiments"] += 1
        return Experiment(
            name, experiment["experiment_id"], made["experiment_id"], is_deleted, asleep=False
        )
    here = found["experiment"]
    asleep = here["lifecycle_stage"] == "deleted"
    if asleep and not is_deleted:
        raise Refused(0, "it is deleted here; restore it first")
    kept = pairs(here.get("tags"))
    changed = {key: value for key, value in tags.items() if kept.get(key) != value}
    copy = Experiment(name, experiment["experiment_id"], here["experiment_id"], is_deleted, asleep)
    for key, value in changed.items():
        if key != SOURCE_TAG or key not in kept:
            copy.wake(target)
            target.post(
                f"{API}/experiments/set-experiment-tag",
                experiment_id=copy.target_id,
                key=key,
                value=value,
            )
    return copy


def source_runs(copying: Copying, experiment: Experiment) -> Iterator[dict[str, Any]]:
    """Yield the runs at the source, the oldest first, so that new ones move no page."""
    yield from copying.source.pages(
        "POST",
        f"{API}/runs/search",
        "runs",
        experiment_ids=[experiment.source_id],
        run_view_type="ALL",
        max_results=PAGE_RUNS,
        order_by=["attributes.start_time ASC"],
    )


def make_runs(copying: Copying, experiment: Experiment) -> None:
    """Make the runs that are not here, with the ids that they have."""
    for run in source_runs(copying, experiment):
        experiment.runs += 1
        copying.outcome.found["runs"] += 1
        try:
            _make_run(copying, experiment, run["info"])
        except (Refused, ValueError, OverflowError) as error:
            copying.outcome.leave_out(f"run {run['info']['run_id']} of {experiment.name}", error)


def _make_run(copying: Copying, experiment: Experiment, info: dict[str, Any]) -> None:
    key = UUID(info["run_id"])
    if copying.target.find(f"/v1/runs/{key}") is not None:
        return
    experiment.wake(copying.target)
    of = DEFAULT_ID if experiment.target_id == "0" else UUID(experiment.target_id)
    copying.target.post(
        "/v1/runs",
        id=str(key),
        experiment_id=str(of),
        name=info.get("run_name") or None,
        user_name=info.get("user_id", ""),
        started_at=moment(info.get("start_time", 0)),
        tags={SOURCE_TAG: f"{copying.source.name} {info['run_id']}"},
    )
    copying.outcome.new["runs"] += 1


def moment(milliseconds: int | str) -> str:
    """Return a time of MLflow as RFC 3339."""
    return (EPOCH + timedelta(milliseconds=int(milliseconds))).isoformat()
