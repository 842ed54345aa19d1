"""Experiments in PostgreSQL, with their tags."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends
from sqlalchemy import (
    ColumnElement,
    Text,
    delete,
    func,
    literal_column,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from service.auth.caller import Forbidden
from service.core.errors import Conflict, NotFound
from service.relational.experiments.schemas import (
    ExperimentCreate,
    ExperimentQuery,
    ExperimentRead,
    ExperimentUpdate,
)
from service.relational.experiments.tables import DEFAULT_ID, Experiment, ExperimentTag
from service.relational.experiments.visibility import editable_experiment, visible_experiment
from service.relational.projects.repository import ProjectRepository
from service.stores.sql.context import SqlContext
from service.stores.sql.lists.listing import SqlListing, projection
from service.stores.sql.repository import SqlRepository
from service.web.conditional import Expected
from service.web.lists.pagination import ListQuery, Page
from service.web.schemas import changes


class ExperimentNotFound(NotFound):
    code, title = "experiment_not_found", "Experiment does not exist"


class ExperimentNameTaken(Conflict):
    code, title, pointer = "experiment_name_taken", "Experiment name already taken", "/name"
    detail = "Choose another name; that of a deleted experiment is free once it is purged."
    constraints = "uq_experiments_name"


class ExperimentDeleted(Conflict):
    code, title = "experiment_deleted", "Experiment is deleted"
    detail = "Restore it first."


class ExperimentReadOnly(Forbidden):
    code, title = "experiment_read_only", "Your role in the project only reads"
    detail = "Ask an owner or admin of the experiment's project for the role member."


class ExperimentTagNotFound(NotFound):
    code, title = "tag_not_found", "There is no such tag"


class DefaultStays(Conflict):
    code, title = "default_stays", "Experiment Default belongs to all"
    detail = "It takes the runs of clients that name no experiment; use another experiment."


class ExperimentRepository(SqlRepository[ExperimentRead]):
    """As written next."""

    async def get(self, key: UUID) -> ExperimentRead:
        """Return an experiment, deleted or not; raise ExperimentNotFound."""
        raise NotImplementedError

    async def get_by_name(self, name: str) -> ExperimentRead:
        """As ``get``, by name."""
        raise NotImplementedError

    async def add(self, experiment: ExperimentCreate) -> ExperimentRead:
        raise NotImplementedError

    async def change(
        self, key: UUID, change: ExperimentUpdate, expected: Expected = None
    ) -> ExperimentRead:
        """Raises ExperimentDeleted, ExperimentNameTaken, ExperimentReadOnly …"""
        raise NotImplementedError

    async def rename(self, key: UUID, name: str) -> None:
        raise NotImplementedError

    async def remove(self, key: UUID, expected: Expected = None) -> None:
        """Mark it and its active runs deleted; idempotent."""
        raise NotImplementedError

    async def restore(self, key: UUID) -> ExperimentRead:
        raise NotImplementedError

    async def set_tag(self, key: UUID, name: str, value: str) -> None:
        raise NotImplementedError

    async def remove_tag(self, key: UUID, name: str) -> None:
        """Raises ExperimentTagNotFound."""
        raise NotImplementedError


Experiments = Annotated[ExperimentRepository, Depends(ExperimentRepository.from_request)]
