"""The places of the artifacts of runs and logged models, for the registry."""

from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.auth.caller import Caller
from service.relational.experiments.tables import DEFAULT_ID, Experiment
from service.relational.experiments.visibility import visible_experiment
from service.relational.logged_models.tables import LoggedModel
from service.relational.runs.tables import Run

MODEL_PREFIX = "m-"


class LoggedOwner(NamedTuple):
    """A logged model, the root of its artifacts, and the run that made it."""

    id: UUID
    root: str
    run_id: str | None


async def run_root(session: AsyncSession, caller: Caller, text: str) -> str | None:
    """Return the root of a run's artifacts; None if the caller sees no such run."""
    statement = (
        select(Run.id, Run.experiment_id, Experiment.artifact_location)
        .join(Experiment, Experiment.id == Run.experiment_id)
        .where(Run.id == _id(text), visible_experiment(caller))
    )
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        return None
    return f"{_root_of(row.experiment_id, row.artifact_location)}/{row.id.hex}/artifacts"


async def logged_model(session: AsyncSession, caller: Caller, text: str) -> LoggedOwner | None:
    """Return the logged model of an id; None if the caller sees none that is not deleted."""
    statement = (
        select(
            LoggedModel.id,
            LoggedModel.experiment_id,
            LoggedModel.source_run_id,
            Experiment.artifact_location,
        )
        .join(Experiment, Experiment.id == LoggedModel.experiment_id)
        .where(
            LoggedModel.id == _id(text.removeprefix(MODEL_PREFIX)),
            LoggedModel.deleted_at.is_(None),
            visible_experiment(caller),
        )
    )
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        return None
    root = _root_of(row.experiment_id, row.artifact_location)
    run_id = row.source_run_id.hex if row.source_run_id is not None else None
    return LoggedOwner(row.id, f"{root}/models/{MODEL_PREFIX}{row.id.hex}/artifacts", run_id)


def _root_of(experiment_id: UUID, location: str | None) -> str:
    if location is not None:
        return location.rstrip("/")
    name = "0" if experiment_id == DEFAULT_ID else experiment_id.hex
    return f"mlflow-artifacts:/{name}"


def _id(text: str) -> UUID | None:
    try:
        return UUID(text) if len(text) in (32, 36) else None
    except ValueError:
        return None
