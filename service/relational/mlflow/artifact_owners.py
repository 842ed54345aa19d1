"""Owners of artifacts: the artifacts in MongoDB ask, PostgreSQL answers."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.auth.artifact_owners import ArtifactKind, ArtifactRoot, FoundRoot
from service.auth.caller import Caller
from service.core.errors import Conflict, NotFound
from service.relational.experiments.repository import ExperimentDeleted, ExperimentReadOnly
from service.relational.experiments.tables import Experiment
from service.relational.experiments.visibility import editable_experiment, visible_experiment
from service.relational.logged_models.repository import LoggedModelDeleted, LoggedModelNotFound
from service.relational.logged_models.tables import LoggedModel
from service.relational.runs.repository import RunDeleted, RunNotFound
from service.relational.runs.tables import Run
from service.stores.sql.engine import SqlStore


class OwnerKind(NamedTuple):
    """A table with ``id``, ``experiment_id`` and ``deleted_at``, and the errors of its rows."""

    table: Any
    missing: type[NotFound]
    deleted: type[Conflict]


class Owner(NamedTuple):
    """The facts that decide about the artifacts of a run or a logged model that the caller sees."""

    experiment_id: UUID
    deleted_at: datetime | None
    experiment_deleted_at: datetime | None
    may_write: bool
    location: str | None


KINDS: Mapping[ArtifactKind, OwnerKind] = {
    "run": OwnerKind(Run, RunNotFound, RunDeleted),
    "model": OwnerKind(LoggedModel, LoggedModelNotFound, LoggedModelDeleted),
}


class SqlArtifactOwners:
    """Implements :class:`service.auth.artifact_owners.ArtifactOwners` with a query for each call.

    A request on artifacts is one on MongoDB, so each call has a short session of its own.
    """

    def __init__(self, sql: SqlStore) -> None:
        self._sql = sql

    async def require(self, caller: Caller, root: ArtifactRoot, *, writes: bool) -> None:
        """Return if the caller may read, or write, below this root; see the protocol."""
        owner = await self._owner(caller, root.kind, root.owner_id)
        if owner.experiment_id != root.experiment_id:
            raise KINDS[root.kind].missing
        if not writes:
            return
        if not owner.may_write:
            raise ExperimentReadOnly
        if owner.deleted_at is not None:
            raise KINDS[root.kind].deleted
        if owner.experiment_deleted_at is not None:
            raise ExperimentDeleted

    async def find(self, caller: Caller, kind: ArtifactKind, key: UUID) -> FoundRoot:
        """Return the root of a run or logged model that the caller sees; raise NotFound."""
        owner = await self._owner(caller, kind, key)
        return FoundRoot(ArtifactRoot(owner.experiment_id, kind, key), owner.location)

    async def _owner(self, caller: Caller, kind: ArtifactKind, key: UUID) -> Owner:
        owner = await self._sql.run(partial(_find, caller, kind, key), writes=False)
        if owner is None:
            raise KINDS[kind].missing
        return owner


async def _find(
    caller: Caller, kind: ArtifactKind, key: UUID, session: AsyncSession
) -> Owner | None:
    table = KINDS[kind].table
    found = await session.execute(
        select(
            table.experiment_id,
            table.deleted_at,
            Experiment.deleted_at,
            editable_experiment(caller),
            Experiment.artifact_location,
        )
        .join(Experiment, Experiment.id == table.experiment_id)
        .where(table.id == key, visible_experiment(caller))
    )
    row = found.one_or_none()
    return None if row is None else Owner(*row)
