"""Runs in PostgreSQL: made, changed, deleted and restored; ``log.py`` writes what they log."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from fastapi import Depends

from service.core.errors import Conflict, NotFound
from service.relational.runs.schemas import RunStatus
from service.stores.sql.context import SqlService
from service.web.conditional import Expected


class RunNotFound(NotFound):
    code, title = "run_not_found", "Run does not exist"
    constraints = ("fk_run_metrics_run_id", "fk_run_params_run_id", "fk_run_tags_run_id")


class RunDeleted(Conflict):
    code, title = "run_deleted", "Run is deleted"
    detail = "Restore it first."


class RunTagNotFound(NotFound):
    code, title = "tag_not_found", "There is no such tag"


class RunNameDiffers(Conflict):
    code, title = "run_name_differs", "Run has two names"
    detail = "Send the name alone, or the same value in the tag mlflow.runName."


class RunRow(NamedTuple):
    """A run's own fields."""

    id: UUID
    experiment_id: UUID
    name: str
    user_name: str
    status: str
    started_at: datetime
    ended_at: datetime | None
    deleted_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


class RunRepository(SqlService):
    """As written next."""

    async def get(self, run_id: UUID) -> RunRow:
        """Return a run that the caller sees, deleted or not; raise RunNotFound."""
        raise NotImplementedError

    async def add(
        self,
        experiment_id: UUID,
        *,
        name: str | None = None,
        user_name: str | None = None,
        started_at: datetime | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> RunRow:
        """Make a run; its name is that of the tag mlflow.runName, or invented; None: now, caller.

        Raises:
            ExperimentNotFound, ExperimentDeleted, ExperimentReadOnly, RunNameDiffers.
        """
        raise NotImplementedError

    async def update(
        self,
        run_id: UUID,
        *,
        status: RunStatus | None = None,
        ended_at: datetime | None = None,
        name: str | None = None,
    ) -> RunRow:
        """Change what is not None. Raises RunNotFound, RunDeleted, ExperimentReadOnly."""
        raise NotImplementedError

    async def remove(self, run_id: UUID, expected: Expected = None) -> None:
        """Mark it deleted; idempotent."""
        raise NotImplementedError

    async def restore(self, run_id: UUID) -> RunRow:
        """Bring it back; idempotent. Raises ExperimentDeleted."""
        raise NotImplementedError


Runs = Annotated[RunRepository, Depends(RunRepository.from_request)]
