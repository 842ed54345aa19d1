"""The places of the artifacts of runs and logged models, for the registry."""

from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.auth.caller import Caller
from service.relational.experiments.tables import Experiment
from service.relational.experiments.visibility import visible_experiment
from service.relational.logged_models.tables import LoggedModel
from service.relational.runs.reading.run_json import artifact_root, artifact_uri
from service.relational.runs.tables import Run
from service.relational.search_language.searchable import uuid_of

MODEL_PREFIX = "m-"


class LoggedOwner(NamedTuple):
    """A logged model, the root of its artifacts, and the run that made it."""

    id: UUID
    root: str
    run_id: str | None


async def run_root(session: AsyncSession, caller: Caller, text: str) -> str | None:
    """Return the root of a run's artifacts; None if the caller sees no such run."""
    statement = (
        select(artifact_uri(Run.id, Experiment.id, Experiment.artifact_location))
        .join(Experiment, Experiment.id == Run.experiment_id)
        .where(Run.id == uuid_of(text), visible_experiment(caller))
    )
    root: str | None = await session.scalar(statement)
    return root


async def logged_model(session: AsyncSession, caller: Caller, text: str) -> LoggedOwner | None:
    """Return the logged model of an id; None if the caller sees none that is not deleted."""
    root = artifact_root(Experiment.id, Experiment.artifact_location).label("root")
    statement = (
        select(LoggedModel.id, LoggedModel.source_run_id, root)
        .join(Experiment, Experiment.id == LoggedModel.experiment_id)
        .where(
            LoggedModel.id == uuid_of(text.removeprefix(MODEL_PREFIX)),
            LoggedModel.deleted_at.is_(None),
            visible_experiment(caller),
        )
    )
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        return None
    run_id = row.source_run_id.hex if row.source_run_id is not None else None
    return LoggedOwner(row.id, f"{row.root}/models/{MODEL_PREFIX}{row.id.hex}/artifacts", run_id)
