"""Experiments in PostgreSQL, with their tags."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends
from sqlalchemy import ColumnElement, delete, func, select, text, type_coerce
from sqlalchemy.dialects.postgresql import JSONB, insert

from service.auth.caller import Forbidden
from service.core.errors import Conflict, NotFound, Refused
from service.relational.experiments.schemas import (
    MAX_TAGS,
    ExperimentCreate,
    ExperimentQuery,
    ExperimentRead,
    ExperimentUpdate,
)
from service.relational.experiments.tables import DEFAULT_ID, Experiment, ExperimentTag
from service.relational.experiments.visibility import (
    MoveForbidden,
    editable_experiment,
    may_edit_in,
    unmovable_experiment,
    visible_experiment,
)
from service.relational.projects.repository import ProjectNotFound, ProjectRepository
from service.stores.sql.context import SqlContext
from service.stores.sql.lists.listing import SqlListing, projection
from service.stores.sql.repository import SqlRepository
from service.web.conditional import Expected
from service.web.lists.pagination import ListQuery, Page
from service.web.schemas import changes


class ExperimentNotFound(NotFound):
    code, title = "experiment_not_found", "Experiment does not exist"


class ExperimentGone(ExperimentNotFound):
    constraints = ("fk_runs_experiment_id", "fk_experiment_tags_experiment_id")


class ExperimentProjectGone(ProjectNotFound):
    constraints = "fk_experiments_project_id"


class ExperimentNameLength(Refused):
    code, title, pointer = "experiment_name", "Name of an experiment is too long", "/name"
    detail = "Send a name of 1 to 500 characters."
    constraints = "ck_experiments_name"


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


class TooManyTags(Conflict):
    code, title = "too_many_tags", f"An experiment has at most {MAX_TAGS} tags"


class DefaultStays(Conflict):
    code, title = "default_stays", "Experiment Default belongs to all"
    detail = "It takes the runs of clients that name no experiment; use another experiment."


_T = ExperimentTag
_TAGS = (
    select(func.coalesce(func.jsonb_object_agg(_T.key, _T.value), text("'{}'::jsonb")))
    .where(_T.experiment_id == Experiment.id)
    .correlate(Experiment)
    .scalar_subquery()
)
_SHOWN = {
    **projection(Experiment, ExperimentRead, without=("tags",)),
    "tags": type_coerce(_TAGS, JSONB),
}


class ExperimentRepository(SqlRepository[ExperimentRead]):
    """Experiments that the caller sees; of a project's, its editors change them.

    Rows of several tables are locked in this order: the project, the experiment, its tags.
    """

    table, schema, missing = Experiment, ExperimentRead, ExperimentNotFound
    not_own = ExperimentReadOnly
    listing = SqlListing(
        Experiment,
        ExperimentQuery,
        _SHOWN,
        schema=ExperimentRead,
        filters={"name": Experiment.name, "project_id": Experiment.project_id},
        elsewhere=["deleted"],
    )

    def __init__(self, context: SqlContext) -> None:
        super().__init__(context)
        self._projects = ProjectRepository(context)

    def visible(self) -> ColumnElement[bool]:
        return visible_experiment(self._caller)

    def own(self) -> ColumnElement[bool]:
        return editable_experiment(self._caller)

    async def get_by_name(self, name: str) -> ExperimentRead:
        """Return the experiment of this name, as ``get`` deleted or not."""
        return await self._get(Experiment.name == name)

    async def list(self, query: ListQuery) -> Page[ExperimentRead]:
        is_null = Experiment.deleted_at.is_(None)
        is_wanted = ~is_null if getattr(query, "deleted", False) else is_null
        return await self._page(query, self.visible(), is_wanted)

    async def add(self, experiment: ExperimentCreate) -> ExperimentRead:
        """Return the new experiment.

        Raises:
            ProjectNotFound, ProjectRoleTooWeak, ExperimentReadOnly: of its project.
        """
        if experiment.project_id is not None:
            await self._lock_project(experiment.project_id)
        values = experiment.model_dump(exclude={"tags"})
        made = insert(Experiment).values(**values).returning(Experiment.id)
        key = (await self._session.execute(made)).scalar_one()
        if experiment.tags:
            await self._session.execute(
                insert(_T), [{"experiment_id": key, "key": name, "value": value}
                             for name, value in experiment.tags.items()]
            )  # fmt: skip
        return await self.get(key)

    async def change(
        self, key: UUID, change: ExperimentUpdate, expected: Expected = None
    ) -> ExperimentRead:
        """Change some fields.

        Raises:
            ExperimentNotFound, ExperimentReadOnly, ExperimentDeleted.
            DefaultStays: it would belong to a project.
            MoveForbidden: who moves it could purge it then, so it takes the right to purge it.
            ProjectNotFound, ProjectRoleTooWeak: of the project that it would belong to.
        """
        values = changes(change)
        project_id = values.get("project_id")
        if project_id is not None:
            if key == DEFAULT_ID:
                raise DefaultStays
            await self._lock_project(project_id)
        await self._lock_active(key)
        stays = select(Experiment.id).where(
            self._is(key), unmovable_experiment(project_id, self._caller)
        )
        if "project_id" in values and await self._session.scalar(stays) is not None:
            raise MoveForbidden
        await self._change(self._is(key), values, expected)
        return await self.get(key)

    async def rename(self, key: UUID, name: str) -> None:
        """Change the name; raises as ``change``."""
        await self._lock_active(key)
        await self._change(self._is(key), {"name": name}, None)

    async def remove(self, key: UUID, expected: Expected = None) -> None:
        """Delete it with its runs, until it is restored; repeating it changes nothing."""
        if not await self._lock(key):
            await self._change(self._is(key), {"deleted_at": func.now()}, expected)

    async def restore(self, key: UUID) -> ExperimentRead:
        """Bring it back with its runs, but those that were deleted alone."""
        if await self._lock(key):
            await self._change(self._is(key), {"deleted_at": None}, None)
        return await self.get(key)

    async def set_tag(self, key: UUID, name: str, value: str) -> None:
        """Set a tag; the same value again changes nothing.

        Raises:
            ExperimentNotFound, ExperimentReadOnly, ExperimentDeleted, TooManyTags.
        """
        await self._lock_active(key)
        others = select(func.count()).where(_T.experiment_id == key, _T.key != name)
        if (await self._session.scalar(others) or 0) >= MAX_TAGS:
            raise TooManyTags
        sent = insert(_T).values(experiment_id=key, key=name, value=value)
        put = sent.on_conflict_do_update(
            index_elements=["experiment_id", "key"],
            set_={"value": value},
            where=_T.value != value,
        ).returning(_T.key)
        if await self._session.scalar(put) is not None:
            await self._change(self._is(key), {"updated_at": func.now()}, None)

    async def remove_tag(self, key: UUID, name: str) -> None:
        """Remove a tag; raises as ``change``, and ExperimentTagNotFound."""
        await self._lock_active(key)
        is_it = (_T.experiment_id == key) & (_T.key == name)
        if await self._session.scalar(delete(_T).where(is_it).returning(_T.key)) is None:
            raise ExperimentTagNotFound
        await self._change(self._is(key), {"updated_at": func.now()}, None)

    async def _lock_project(self, project_id: UUID) -> None:
        """Lock the project of an experiment, in which projects:admin alone is not enough."""
        await self._projects.lock_with(project_id, "edit")
        if not await self._session.scalar(select(may_edit_in(project_id, self._caller))):
            raise ExperimentReadOnly

    async def _lock_active(self, key: UUID) -> None:
        if await self._lock(key):
            raise ExperimentDeleted

    async def _lock(self, key: UUID) -> bool:
        """Return whether it is deleted; it stays so until the transaction ends.

        Raises:
            ExperimentNotFound: there is none that the caller sees.
            ExperimentReadOnly: the caller may not change it.
        """
        locked = (
            select(Experiment.deleted_at.is_not(None), self.own())
            .where(self._is(key), self.visible())
            .with_for_update(key_share=True, of=Experiment)
        )
        row = (await self._session.execute(locked)).one_or_none()
        if row is None:
            raise ExperimentNotFound
        is_deleted, is_own = row
        if not is_own:
            raise ExperimentReadOnly
        return bool(is_deleted)


Experiments = Annotated[ExperimentRepository, Depends(ExperimentRepository.from_request)]
