"""Logged models in PostgreSQL, with their params and tags."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from fastapi import Depends
from sqlalchemy import ColumnElement, Select, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from service.core.errors import Conflict, NotFound
from service.relational.experiments.repository import (
    ExperimentDeleted,
    ExperimentNotFound,
    ExperimentReadOnly,
)
from service.relational.experiments.tables import Experiment
from service.relational.experiments.visibility import editable_experiment, visible_experiment
from service.relational.logged_models.queries import add_rows, latest_metrics, texts_by_key
from service.relational.logged_models.schemas import (
    LoggedModelQuery,
    LoggedModelRead,
    ModelStatus,
)
from service.relational.logged_models.tables import LoggedModel, LoggedModelParam, LoggedModelTag
from service.relational.runs.names import invented_name
from service.relational.runs.schemas import MAX_PARAM
from service.relational.runs.tables import Run
from service.stores.sql.bulk import any_of
from service.stores.sql.lists.listing import SqlListing, projection
from service.stores.sql.repository import SqlRepository
from service.web.lists.pagination import Page


class LoggedModelNotFound(NotFound):
    code, title = "logged_model_not_found", "Logged model does not exist"
    constraints = (
        "fk_logged_model_params_model_id", "fk_logged_model_tags_model_id",
        "fk_logged_model_metrics_model_id", "fk_run_models_model_id",
    )  # fmt: skip


class LoggedModelDeleted(Conflict):
    code, title = "logged_model_deleted", "Logged model is deleted"


class SourceRunNotFound(NotFound):
    code, title = "run_not_found", "Source run does not exist"
    constraints = "fk_logged_models_source_run_id"


class ExperimentOfModelGone(ExperimentNotFound):
    constraints = ("fk_logged_models_experiment_id", "fk_datasets_experiment_id")


class ModelParamChanged(Conflict):
    code, title = "param_changed", "Param of the logged model has another value already"


class ModelTagNotFound(NotFound):
    code, title = "tag_not_found", "There is no such tag"


class NewModel(NamedTuple):
    """A logged model to make; it is PENDING, because its artifacts are uploaded later."""

    name: str | None = None
    model_type: str | None = None
    source_run_id: UUID | None = None
    params: Mapping[str, str] = {}
    tags: Mapping[str, str] = {}


_M = LoggedModel
_SHOWN = {
    **projection(_M, LoggedModelRead, without=("params", "tags", "metrics")),
    "params": texts_by_key(LoggedModelParam),
    "tags": texts_by_key(LoggedModelTag),
    "metrics": latest_metrics(),
}


class LoggedModelRepository(SqlRepository[LoggedModelRead]):
    """Logged models are seen and changed with their experiment.

    Deleted ones are found by MLflow's clients alone, with ``allow_deleted``.
    """

    table, schema, missing = _M, LoggedModelRead, LoggedModelNotFound
    listing = SqlListing(
        _M,
        LoggedModelQuery,
        _SHOWN,
        schema=LoggedModelRead,
        where=_M.deleted_at.is_(None),
        filters={"name": _M.name},
    )

    def visible(self) -> ColumnElement[bool]:
        of_model = Experiment.id == _M.experiment_id
        return exists().where(of_model, visible_experiment(self._caller))

    async def list_of(self, experiment_id: UUID, query: LoggedModelQuery) -> Page[LoggedModelRead]:
        """Return the logged models of an experiment; raise ExperimentNotFound."""
        await self._experiment(experiment_id)
        return await self._page(query, _M.experiment_id == experiment_id)

    async def add(self, experiment_id: UUID, model: NewModel) -> UUID:
        """Return the id of a new model.

        Raises:
            ExperimentNotFound, ExperimentDeleted, ExperimentReadOnly: as in experiments.
            SourceRunNotFound: the caller sees no such run.
        """
        _require_writable(*await self._experiment(experiment_id))
        if model.source_run_id is not None:
            await self._require_run(model.source_run_id)
        statement = insert(_M).values(
            experiment_id=experiment_id,
            name=model.name or invented_name(),
            model_type=model.model_type,
            source_run_id=model.source_run_id,
            status="PENDING",
        )
        model_id: UUID = (await self._session.scalars(statement.returning(_M.id))).one()
        await self._add_params(model_id, experiment_id, model.params)
        await self._put_tags(model_id, experiment_id, model.tags)
        return model_id

    async def finish(self, model_id: UUID, status: ModelStatus) -> None:
        """Set the status of a model: READY once its artifacts are uploaded."""
        await self.require(model_id)
        await self._set(model_id, {"status": status})

    async def hide(self, model_id: UUID) -> None:
        """Delete a model, so that no search finds it; a second time changes nothing."""
        await self.require(model_id, deleted_too=True)
        await self._set(model_id, {"deleted_at": func.now()})

    async def add_params(self, model_id: UUID, params: Mapping[str, str]) -> None:
        """Add params, all or none; raise ModelParamChanged if one has another value."""
        await self._add_params(model_id, await self.require(model_id), params)

    async def set_tags(self, model_id: UUID, tags: Mapping[str, str]) -> None:
        """Set tags; the others stay."""
        await self._put_tags(model_id, await self.require(model_id), tags)

    async def remove_tag(self, model_id: UUID, key: str) -> None:
        """Remove a tag; raise ModelTagNotFound if there is none."""
        await self.require(model_id)
        is_tag = (LoggedModelTag.model_id == model_id) & (LoggedModelTag.key == key)
        removal = delete(LoggedModelTag).where(is_tag).returning(LoggedModelTag.key)
        if await self._session.scalar(removal) is None:
            raise ModelTagNotFound

    async def require(self, model_id: UUID, *, deleted_too: bool = False) -> UUID:
        """Return the experiment of a model that the caller may change.

        Raises:
            LoggedModelNotFound: the caller sees no such model, or it is deleted.
            ExperimentReadOnly, ExperimentDeleted: as in experiments.
        """
        return (await self.require_all({model_id}, deleted_too=deleted_too))[model_id]

    async def require_all(
        self, model_ids: Collection[UUID], *, deleted_too: bool = False
    ) -> Mapping[UUID, UUID]:
        """Return the experiment of each of these models; raises as ``require``."""
        statement = self._experiments().add_columns(_M.id, _M.experiment_id)
        statement = statement.join(_M, _M.experiment_id == Experiment.id)
        statement = statement.where(any_of(_M.id, model_ids))
        if not deleted_too:
            statement = statement.where(_M.deleted_at.is_(None))
        rows = (await self._session.execute(statement)).all()
        if len(rows) < len(model_ids):
            raise LoggedModelNotFound
        for row in rows:
            _require_writable(row.editable, row.is_deleted)
        return {row.id: row.experiment_id for row in rows}

    def _experiments(self) -> Select[bool, bool]:
        editable = editable_experiment(self._caller).label("editable")
        is_deleted = Experiment.deleted_at.is_not(None).label("is_deleted")
        return select(editable, is_deleted).where(visible_experiment(self._caller))

    async def _experiment(self, experiment_id: UUID) -> tuple[bool, bool]:
        """Return whether the caller may change the experiment, and whether it is deleted."""
        statement = self._experiments().where(Experiment.id == experiment_id)
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise ExperimentNotFound
        return row.editable, row.is_deleted

    async def _require_run(self, run_id: UUID) -> None:
        of_run = Experiment.id == Run.experiment_id
        sees = exists().where(Run.id == run_id, of_run, visible_experiment(self._caller))
        if not await self._session.scalar(select(sees)):
            raise SourceRunNotFound

    async def _set(self, model_id: UUID, values: Mapping[str, Any]) -> None:
        """Change the row, unless it is so already."""
        (name,) = values
        column = _M.__table__.c[name]
        differs = column.is_(None) if name == "deleted_at" else column != values[name]
        change = update(_M).where(self._is(model_id), differs)
        await self._session.execute(change.values(**values, version=_M.version + 1))

    async def _add_params(
        self, model_id: UUID, experiment_id: UUID, params: Mapping[str, str]
    ) -> None:
        if not params:
            return
        table = LoggedModelParam
        params = {key: value[:MAX_PARAM] for key, value in params.items()}
        same = {"model_id": model_id, "experiment_id": experiment_id}
        await self._session.execute(add_rows(table, _rows(params), **same))
        own = (table.model_id == model_id) & any_of(table.key, list(params))
        for key, value in await self._session.execute(select(table.key, table.value).where(own)):
            if params[key] != value:
                raise ModelParamChanged(f"The value of {key} stays as it was logged first.")

    async def _put_tags(self, model_id: UUID, experiment_id: UUID, tags: Mapping[str, str]) -> None:
        if not tags:
            return
        same = {"model_id": model_id, "experiment_id": experiment_id}
        put = insert(LoggedModelTag).values([{**same, **row} for row in _rows(tags)])
        new = put.excluded.value
        key, differs = ["model_id", "key"], LoggedModelTag.value != new
        await self._session.execute(
            put.on_conflict_do_update(index_elements=key, set_={"value": new}, where=differs)
        )


def _require_writable(editable: bool, is_deleted: bool) -> None:
    if not editable:
        raise ExperimentReadOnly
    if is_deleted:
        raise ExperimentDeleted


def _rows(texts: Mapping[str, str]) -> list[dict[str, str]]:
    """Return rows in the order of their keys, so that no two transactions wait for each other."""
    return [{"key": key, "value": texts[key]} for key in sorted(texts)]


LoggedModels = Annotated[LoggedModelRepository, Depends(LoggedModelRepository.from_request)]
