"""Remove deleted runs and experiments for good, a bounded part with each request.

One request removes at most MAX_ROWS rows below runs or logged models, because a long history takes
seconds. A run's row goes last, together with the note that its artifacts are to be removed.
"""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Text,
    TextClause,
    Uuid,
    column,
    delete,
    exists,
    func,
    literal,
    select,
    table,
    text,
    update,
)
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
from service.stores.sql.context import SqlContext, SqlService

MAX_ROWS = 50_000  # 60,000 took 0.6 s with all processors busy (measured)
MAX_RUNS = 100
MAX_LOCKED = 5_000  # series at a time


def _removal(table: str, owner: str, returning: str = "") -> TextClause:
    """Return the statement that removes some rows, by ctid because DELETE has no LIMIT."""
    return text(f"""
        DELETE FROM {table} WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM {table} WHERE {owner} = ANY (:ids) LIMIT :most
        )) {returning}
    """)  # noqa: S608 - constants


_POINTS, _SERIES = _removal("metric_points", "metric_id"), _removal("run_metrics", "id")
_INPUTS = _removal("run_datasets", "run_id", "RETURNING dataset_id")
_OF_RUNS = [_removal(table, "run_id") for table in ("run_params", "run_tags", "run_models")]
# Logged models stand above runs, which name only their tables.
MODELS = table(
    "logged_models", *(column(name, Uuid) for name in ("id", "experiment_id")), column("deleted_at")
)
_OF_MODELS = [
    _removal(table, "model_id")
    for table in ("logged_model_metrics", "logged_model_params", "logged_model_tags", "run_models")
]


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

    def __init__(self, context: SqlContext) -> None:
        super().__init__(context)
        self._left = MAX_ROWS  # an object serves one request

    async def run(self, run_id: UUID) -> Purged:
        """Remove a deleted run.

        Raises:
            RunNotFound, PurgeForbidden.
            NotDeleted: it is to be deleted first.
        """
        of_run = select(Experiment.id).join(Run, Run.experiment_id == Experiment.id)
        kept = of_run.where(Run.id == run_id).with_for_update(read=True, of=Experiment)
        await self._session.execute(kept)
        locked = (
            select(DELETED_AT, purgeable_experiment(self._caller))
            .join(Experiment, Experiment.id == Run.experiment_id)
            .where(Run.id == run_id, visible_experiment(self._caller))
            .with_for_update(of=Run)
        )
        await self._wait_for_writers([run_id])
        row = (await self._session.execute(locked)).one_or_none()
        if row is None:
            raise RunNotFound
        require_purgeable(row)
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
        require_purgeable(row)
        if experiment_id == DEFAULT_ID:
            raise DefaultStays
        of_it = Run.experiment_id == experiment_id
        some = select(Run.id).where(of_it).order_by(Run.id).limit(MAX_RUNS)
        await self._wait_for_writers((await self._session.scalars(some)).all())
        run_ids = (await self._session.scalars(some.with_for_update())).all()
        runs, points = await self._remove(run_ids) if run_ids else (0, 0)
        left = await self._session.scalar(select(func.count()).select_from(Run).where(of_it)) or 0
        complete = not left and await self._remove_models(MODELS.c.experiment_id == experiment_id)
        if complete:
            await self._session.execute(delete(Experiment).where(Experiment.id == experiment_id))
        return Purged(complete=complete, runs=runs, points=points, runs_left=left)

    async def _wait_for_writers(self, run_ids: Sequence[UUID]) -> None:
        """Take the locks of those who make series of these runs, which they take before rows."""
        names = func.unnest(literal([str(run_id) for run_id in run_ids], ARRAY(Text)))
        name = names.column_valued("name")
        await self._session.execute(
            select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0)))
        )

    async def _remove(self, run_ids: Sequence[UUID]) -> tuple[int, int]:
        """Return how many runs and points were removed: of the runs all, or none.

        Runs of which a part is gone stay deleted. Datasets that no other run read go with them.
        """
        points = await self._remove_series(run_ids)
        for statement in _OF_RUNS:
            await self._remove_some(statement, run_ids)
        await self._remove_datasets(run_ids)
        if not self._left:
            began = update(Run).where(any_of(Run.id, run_ids), Run.purge_began_at.is_(None))
            deleted_at = func.coalesce(Run.deleted_at, func.now())
            values = {"deleted_at": deleted_at, "version": Run.version + 1}
            await self._session.execute(began.values(purge_began_at=func.now(), **values))
            return 0, points
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
        return len(run_ids), points

    async def _remove_some(self, statement: TextClause, ids: Sequence[Any]) -> int:
        """Remove rows, as many as the request may still remove; return how many."""
        if not self._left or not ids:
            return 0
        values = {"ids": ids, "most": self._left}
        result: Any = await self._session.execute(statement, values)
        self._left -= result.rowcount
        return int(result.rowcount)

    async def _remove_series(self, run_ids: Sequence[UUID]) -> int:
        """Return how many points were removed.

        Writers lock the series before they add points, so that none is added to one locked here.
        """
        series = (
            select(RunMetric.id)
            .where(any_of(RunMetric.run_id, run_ids))
            .order_by(RunMetric.run_id, RunMetric.key)
            .limit(MAX_LOCKED)
            .with_for_update()
        )
        points = 0
        while self._left and (ids := (await self._session.scalars(series)).all()):
            points += await self._remove_some(_POINTS, ids)
            await self._remove_some(_SERIES, ids)
        return points

    async def _remove_datasets(self, run_ids: Sequence[UUID]) -> None:
        """Remove the inputs of runs, and then the datasets that no other run read.

        A run that is about to read one has locked it. The last statement therefore begins once
        that run has committed, and sees it.
        """
        if not self._left:
            return
        values = {"ids": run_ids, "most": self._left}
        read = (await self._session.scalars(_INPUTS, values)).all()
        self._left -= len(read)
        ids = list(set(read))
        locked = select(Dataset.id).where(any_of(Dataset.id, ids)).order_by(Dataset.id)
        await self._session.execute(locked.with_for_update())
        is_read = exists().where(RunDataset.dataset_id == Dataset.id)
        await self._session.execute(delete(Dataset).where(any_of(Dataset.id, ids), ~is_read))

    async def _remove_models(self, which: ColumnElement[bool]) -> bool:
        """Return whether all these logged models are removed; a trigger notes their artifacts.

        Those of which a part is gone stay deleted.
        """
        some = select(MODELS.c.id).where(which).limit(MAX_RUNS).with_for_update()
        while ids := (await self._session.scalars(some)).all():
            for statement in _OF_MODELS:
                await self._remove_some(statement, ids)
            change = delete(MODELS) if self._left else update(MODELS).values(deleted_at=func.now())
            await self._session.execute(change.where(any_of(MODELS.c.id, ids)))
            if not self._left:
                return False
            self._left = max(0, self._left - len(ids))
        return True


def require_purgeable(row: Any) -> None:
    """Return if the object is deleted, and the caller may purge it."""
    deleted_at, may_purge = row
    if not may_purge:
        raise PurgeForbidden
    if deleted_at is None:
        raise NotDeleted


PurgeDep = Annotated[Purge, Depends(Purge.from_request)]
