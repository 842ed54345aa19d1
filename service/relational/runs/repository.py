"""Runs in PostgreSQL: made, changed, deleted and restored; ``log.py`` writes what they log."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends
from sqlalchemy import ColumnElement, func, select
from uuid_utils.compat import uuid7

from service.core.errors import Conflict, NotFound, Refused
from service.relational.experiments.repository import (
    ExperimentDeleted,
    ExperimentNotFound,
    ExperimentReadOnly,
)
from service.relational.experiments.tables import Experiment
from service.relational.experiments.visibility import editable_experiment, visible_experiment
from service.relational.runs.names import invented_name
from service.relational.runs.queries import ADD_RUN
from service.relational.runs.schemas import MAX_TAG, RunRead, RunStatus
from service.relational.runs.tables import DELETED_AT, Run
from service.stores.sql.lists.listing import SqlListing, projection
from service.stores.sql.repository import SqlRepository
from service.web.conditional import Expected
from service.web.lists.pagination import ListQuery

NAME_TAG = "mlflow.runName"  # it is the run's name, and no row of run_tags


class RunNotFound(NotFound):
    code, title = "run_not_found", "Run does not exist"
    constraints = ("fk_run_metrics_run_id", "fk_run_params_run_id", "fk_run_tags_run_id")


class RunExists(Conflict):
    code, title, pointer = "run_exists", "There is a run of this id", "/id"
    constraints = "pk_runs"


class RunDeleted(Conflict):
    code, title = "run_deleted", "Run is deleted"
    detail = "Restore it first."


class PurgeBegan(Conflict):
    code, title = "purge_began", "Purge of the run has begun"
    detail = "A part of the run is gone; repeat the purge to remove the rest."


class RunTagNotFound(NotFound):
    code, title = "tag_not_found", "There is no such tag"


class RunNameDiffers(Refused):
    code, title, pointer = "run_name_differs", "Run has two names", "/name"
    detail = "Send the name alone, or the same value in the tag mlflow.runName."


class UnknownRunStatus(Refused):
    code, title, pointer = "run_status", "Unknown status of a run", "/status"
    constraints = "ck_runs_status"


_SHOWN = {
    **projection(Run, RunRead, without=("deleted_at",)),
    "deleted_at": select(DELETED_AT)
    .where(Experiment.id == Run.experiment_id)
    .correlate(Run)
    .scalar_subquery(),
}


class RunRepository(SqlRepository[RunRead]):
    """Callers see the runs of the experiments that they see, deleted or not.

    Rows are locked in this order: the experiment, the run, what it has logged.
    """

    table, schema, missing, not_own = Run, RunRead, RunNotFound, ExperimentReadOnly
    listing = SqlListing(Run, ListQuery, _SHOWN, schema=RunRead)

    def visible(self) -> ColumnElement[bool]:
        return _of_experiment(visible_experiment(self._caller))

    def own(self) -> ColumnElement[bool]:
        return _of_experiment(editable_experiment(self._caller))

    async def add(
        self,
        experiment_id: UUID,
        *,
        run_id: UUID | None = None,
        name: str | None = None,
        user_name: str | None = None,
        started_at: datetime | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> RunRead:
        """Return a new run, by default of the caller, from now on, with an invented name.

        Raises:
            ExperimentNotFound, ExperimentReadOnly, ExperimentDeleted.
            RunNameDiffers: the tag mlflow.runName has another name.
            RunExists: the id is taken.
        """
        rows = {key: value[:MAX_TAG] for key, value in (tags or {}).items()}
        tagged = rows.pop(NAME_TAG, None)
        if name and tagged and name != tagged:
            raise RunNameDiffers
        name = name or tagged or invented_name()
        texts = list(rows), list(rows.values())
        arguments = run_id or uuid7(), name, user_name, started_at, *texts, self._caller.user_id
        row = await ADD_RUN.row(self._session, self._caller, experiment_id, *arguments)
        if row is None:
            raise ExperimentNotFound
        if not row["editable"]:
            raise ExperimentReadOnly
        if row["is_deleted"]:
            raise ExperimentDeleted
        return RunRead(**row)

    async def update(
        self,
        run_id: UUID,
        *,
        status: RunStatus | None = None,
        ended_at: datetime | None = None,
        name: str | None = None,
    ) -> RunRead:
        """Change what is not None; raises as ``change``."""
        sent = {"status": status, "ended_at": ended_at, "name": name}
        return await self.change(run_id, {key: one for key, one in sent.items() if one is not None})

    async def change(
        self, run_id: UUID, values: Mapping[str, Any], expected: Expected = None
    ) -> RunRead:
        """Change some fields; raises RunNotFound, ExperimentReadOnly or RunDeleted."""
        if await self._lock(run_id):
            raise RunDeleted
        await self._change(self._is(run_id), values, expected)
        return await self.get(run_id)

    async def remove(self, key: UUID, expected: Expected = None) -> None:
        """Delete it, until it is restored; repeating it changes nothing."""
        if not await self._lock(key):
            await self._change(self._is(key), {"deleted_at": func.now()}, expected)

    async def restore(self, run_id: UUID) -> RunRead:
        """Bring it back; raises ExperimentDeleted and PurgeBegan too."""
        experiment = (
            select(Experiment.deleted_at.is_not(None))
            .join(Run, Run.experiment_id == Experiment.id)
            .where(self._is(run_id), self.visible())
            .with_for_update(read=True, of=Experiment)
        )
        of_deleted = await self._session.scalar(experiment)
        if await self._lock(run_id):
            if of_deleted:
                raise ExperimentDeleted
            began = select(Run.purge_began_at).where(self._is(run_id))
            if await self._session.scalar(began) is not None:
                raise PurgeBegan
            await self._change(self._is(run_id), {"deleted_at": None}, None)
        return await self.get(run_id)

    async def _lock(self, run_id: UUID) -> bool:
        """Return whether it is deleted; it stays so until the transaction ends."""
        locked = (
            select(DELETED_AT.is_not(None), self.own())
            .join(Experiment, Experiment.id == Run.experiment_id)
            .where(self._is(run_id), self.visible())
            .with_for_update(key_share=True, of=Run)
        )
        row = (await self._session.execute(locked)).one_or_none()
        if row is None:
            raise RunNotFound
        is_deleted, is_own = row
        if not is_own:
            raise ExperimentReadOnly
        return bool(is_deleted)


def _of_experiment(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    of_run = select(Experiment.id).where(Experiment.id == Run.experiment_id, condition)
    return of_run.correlate(Run).exists()


Runs = Annotated[RunRepository, Depends(RunRepository.from_request)]
