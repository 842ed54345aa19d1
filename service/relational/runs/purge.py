"""Remove deleted runs and experiments for good, a bounded part with each request.

The points of a long history take seconds to remove, so one request removes at most MAX_POINTS of
them. A run's row goes last, together with the note that its artifacts are to be removed.
"""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends
from sqlalchemy import delete, exists, func, literal, select, text
from sqlalchemy.dialects.postgresql import insert

from service.auth.caller import Forbidden
from service.core.errors import Conflict
from service.relational.experiments.repository import DefaultStays, ExperimentNotFound
from service.relational.experiments.tables import DEFAULT_ID, Experiment
from service.relational.experiments.visibility import purgeable_experiment, visible_experiment
from service.relational.runs.input_tables import Dataset, RunDataset
from service.relational.runs.repository import RunNotFound
from service.relational.runs.schemas import Purged
from service.relational.runs.tables import DELETED_AT, ArtifactRemoval, Run, RunMetric
from service.stores.sql.bulk import any_of
from service.stores.sql.context import SqlService

MAX_POINTS = 200_000
MAX_RUNS = 100
# A look-up by ctid, because DELETE has no LIMIT.
_REMOVE_POINTS = text("""
    DELETE FROM metric_points WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM metric_points WHERE metric_id = ANY (:series) LIMIT :most
    ))
""")


class NotDeleted(Conflict):
    code, title = "not_deleted", "Object is not deleted"
    detail = "Delete it first; a purge cannot be undone."


class PurgeForbidden(Forbidden):
    code, title = "purge_forbidden", "Purge is not allowed"
    detail = (
        "Ask an owner or admin of the experiment's project; where it has none, use credentials "
        "with experiments:admin."
    )


class Purge(SqlService):
    """Owners and admins of a project purge its experiments and runs; administrators purge all."""

    async def run(self, run_id: UUID) -> Purged:
        """Remove a deleted run.

        Raises:
            RunNotFound, PurgeForbidden.
            NotDeleted: it is to be deleted first.
        """
        locked = (
            select(DELETED_AT, purgeable_experiment(self._caller))
            .join(Experiment, Experiment.id == Run.experiment_id)
            .where(Run.id == run_id, visible_experiment(self._caller))
            .with_for_update(of=Run)
        )
        row = (await self._session.execute(locked)).one_or_none()
        if row is None:
            raise RunNotFound
        _require_purgeable(row)
        runs, points = await self._remove([run_id])
        return Purged(complete=runs == 1, runs=runs, points=points, runs_left=1 - runs)

    async def experiment(self, experiment_id: UUID) -> Purged:
        """Remove some runs of a deleted experiment; itself, when it has none left.

        Raises:
            ExperimentNotFound, PurgeForbidden.
            NotDeleted: it is to be deleted first.
            DefaultStays: it is the experiment Default.
        """
        locked = (
            select(Experiment.deleted_at, purgeable_experiment(self._caller))
            .where(Experiment.id == experiment_id, visible_experiment(self._caller))
            .with_for_update()
        )
        row = (await self._session.execute(locked)).one_or_none()
        if row is None:
            raise ExperimentNotFound
        _require_purgeable(row)
        if experiment_id == DEFAULT_ID:
            raise DefaultStays
        of_it = Run.experiment_id == experiment_id
        some = select(Run.id).where(of_it).order_by(Run.id).limit(MAX_RUNS).with_for_update()
        runs, points = await self._remove((await self._session.scalars(some)).all())
        left = await self._session.scalar(select(func.count()).select_from(Run).where(of_it)) or 0
        if not left:
            await self._session.execute(delete(Experiment).where(Experiment.id == experiment_id))
        return Purged(complete=not left, runs=runs, points=points, runs_left=left)

    async def _remove(self, run_ids: Sequence[UUID]) -> tuple[int, int]:
        """Return how many runs and points were removed: of the runs all, or none.

        Datasets that no other run read go with them.

        Writers lock the series before they add points, so that none is added to one locked here.
        """
        series = (
            select(RunMetric.id)
            .where(any_of(RunMetric.run_id, run_ids))
            .order_by(RunMetric.run_id, RunMetric.key)
            .with_for_update()
        )
        ids = (await self._session.scalars(series)).all()
        result: Any = await self._session.execute(
            _REMOVE_POINTS, {"series": ids, "most": MAX_POINTS}
        )
        if result.rowcount == MAX_POINTS:
            return 0, MAX_POINTS
        read = select(RunDataset.dataset_id).where(any_of(RunDataset.run_id, run_ids)).distinct()
        datasets = (await self._session.scalars(read)).all()
        gone = (
            delete(Run)
            .where(any_of(Run.id, run_ids))
            .returning(Run.id, literal("run"), Run.experiment_id)
            .cte("gone")
        )
        noted = insert(ArtifactRemoval).from_select(
            ["owner_id", "kind", "experiment_id"], select(gone)
        )
        await self._session.execute(noted)
        is_read = exists().where(RunDataset.dataset_id == Dataset.id)
        await self._session.execute(delete(Dataset).where(any_of(Dataset.id, datasets), ~is_read))
        return len(run_ids), result.rowcount


def _require_purgeable(row: Any) -> None:
    deleted_at, may_purge = row
    if not may_purge:
        raise PurgeForbidden
    if deleted_at is None:
        raise NotDeleted


PurgeDep = Annotated[Purge, Depends(Purge.from_request)]
