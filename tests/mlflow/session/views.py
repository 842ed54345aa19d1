"""Entities of the client as JSON objects, with the fields that every version of it knows."""

from typing import Any

from mlflow.entities import Experiment, FileInfo, Metric, Run
from mlflow.entities.model_registry import ModelVersion, RegisteredModel

# The client sets others from the program's name, place and version control.
OWN_TAGS = ("mlflow.source.", "mlflow.user")


def experiment(found: Experiment) -> dict[str, Any]:
    return {
        "experiment_id": found.experiment_id,
        "name": found.name,
        "artifact_location": found.artifact_location,
        "lifecycle_stage": found.lifecycle_stage,
        "creation_time": found.creation_time,
        "last_update_time": found.last_update_time,
        "tags": tags(found.tags),
    }


def run(found: Run) -> dict[str, Any]:
    info = found.info
    return {
        "run_id": info.run_id,
        "experiment_id": info.experiment_id,
        "run_name": info.run_name,
        "status": info.status,
        "start_time": info.start_time,
        "end_time": info.end_time,
        "artifact_uri": info.artifact_uri,
        "lifecycle_stage": info.lifecycle_stage,
        "user_id": info.user_id,
        "tags": tags(found.data.tags),
        "params": found.data.params,
        "metrics": found.data.metrics,
    }


def tags(found: dict[str, str]) -> dict[str, str]:
    """Tags but those of the environment; an invented name is marked, like that of a run."""
    return {
        ("run_name" if key == "mlflow.runName" else key): value
        for key, value in found.items()
        if not key.startswith(OWN_TAGS)
    }


def point(found: Metric) -> list[Any]:
    """Return value, timestamp, step."""
    return [found.value, found.timestamp, found.step]


def file(found: FileInfo) -> list[Any]:
    """Return path, whether it is a folder, size in bytes."""
    return [found.path, found.is_dir, found.file_size]


def model(found: RegisteredModel) -> dict[str, Any]:
    return {
        "name": found.name,
        "description": found.description,
        "tags": found.tags,
        "aliases": {alias: str(version) for alias, version in found.aliases.items()},
        "creation_timestamp": found.creation_timestamp,
        "last_updated_timestamp": found.last_updated_timestamp,
        "latest_versions": sorted(
            [latest.version, latest.current_stage] for latest in found.latest_versions
        ),
    }


def version(found: ModelVersion) -> dict[str, Any]:
    return {
        "name": found.name,
        "version": str(found.version),
        "stage": found.current_stage,
        "description": found.description,
        "source": found.source,
        "run_id": found.run_id,
        "run_link": found.run_link,
        "status": found.status,
        "tags": found.tags,
        "aliases": sorted(found.aliases),
        "creation_timestamp": found.creation_timestamp,
        "last_updated_timestamp": found.last_updated_timestamp,
    }


def logged_model(found: Any) -> dict[str, Any]:
    """Return a logged model, which clients before 3 lack."""
    return {
        "model_id": found.model_id,
        "experiment_id": found.experiment_id,
        "name": found.name,
        "status": found.status.value,
        "model_type": found.model_type,
        "source_run_id": found.source_run_id,
        "artifact_uri": found.artifact_location,
        "creation_timestamp": found.creation_timestamp,
        "last_updated_timestamp": found.last_updated_timestamp,
        "tags": tags(found.tags),
        "params": found.params,
        "metrics": sorted(
            [metric.key, metric.value, metric.step, metric.dataset_name]
            for metric in found.metrics or []
        ),
    }
