"""Registered models in PostgreSQL.

A change of a model's versions, stages or aliases first changes the row of the model. So it waits
for others, and no number is given twice.
"""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends
from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from service.core.errors import Collision, Conflict, NotFound, Refused
from service.relational.model_registry.queries import (
    Tags,
    aliases_of,
    latest_of,
    tags_of,
    write_tags,
)
from service.relational.model_registry.schemas import (
    RegisteredModelCreate,
    RegisteredModelQuery,
    RegisteredModelRead,
    RegisteredModelUpdate,
)
from service.relational.model_registry.searchable import models_where
from service.relational.model_registry.tables import (
    ModelAlias,
    ModelVersion,
    RegisteredModel,
    RegisteredModelTag,
)
from service.relational.model_registry.visibility import (
    editable_model,
    require_name,
    visible_model,
)
from service.relational.projects.repository import ProjectNotFound, ProjectRepository
from service.stores.sql.context import SqlContext
from service.stores.sql.lists.listing import SqlListing, projection
from service.stores.sql.repository import SqlRepository
from service.web.conditional import Expected
from service.web.lists.pagination import ListQuery, Page
from service.web.schemas import changes


class RegisteredModelNotFound(NotFound):
    code, title = "registered_model_not_found", "Registered model does not exist"
    constraints = ("fk_model_versions_model_id", "fk_registered_model_tags_model_id")


class RegisteredModelNameLength(Refused):
    code, title, pointer = "registered_model_name", "Name of the model is too long", "/name"
    detail = "Send a name of 1 to 256 characters."
    constraints = "ck_registered_models_name"


class RegisteredModelNameTaken(Conflict):
    code, title = "registered_model_name_taken", "Name of the registered model is taken"
    detail = "Choose another name; a model of another project may have it."
    pointer = "/name"
    constraints = "uq_registered_models_name"


class ModelProjectGone(ProjectNotFound):
    constraints = "fk_registered_models_project_id"


class ModelVersionNotFound(NotFound):
    code, title = "model_version_not_found", "Version does not exist"
    detail = "Send the number of a version, or one of the model's aliases."
    constraints = ("fk_model_aliases_number", "fk_model_version_tags_version_id")


class UnknownStage(Refused):
    code, title, pointer = "stage", "Unknown stage", "/stage"
    constraints = "ck_model_versions_stage"


class VersionMade(Collision):
    constraints = "uq_model_versions_number"


_M = RegisteredModel
_COMPUTED = ("tags", "aliases", "latest_versions")
_UNTOUCHED = {"updated_at": _M.updated_at}  # of a change of tags or aliases
MODELS = SqlListing(
    _M,
    RegisteredModelQuery,
    {
        **projection(_M, RegisteredModelRead, without=_COMPUTED),
        "tags": tags_of(RegisteredModelTag, _M.id),
        "aliases": aliases_of(_M.id),
        "latest_versions": latest_of(_M.id),
    },
    schema=RegisteredModelRead,
    filters={"name": _M.name, "project_id": _M.project_id},
    elsewhere=["filter"],
)


class RegisteredModelRepository(SqlRepository[RegisteredModelRead]):
    """Models of no project are everybody's with the scope; ``models:admin`` sees all."""

    table, schema, missing = _M, RegisteredModelRead, RegisteredModelNotFound
    listing = MODELS

    def __init__(self, context: SqlContext) -> None:
        super().__init__(context)
        self._projects = ProjectRepository(context)

    def visible(self) -> ColumnElement[bool]:
        return visible_model(self._caller)

    def own(self) -> ColumnElement[bool]:
        return editable_model(self._caller)

    async def list(self, query: ListQuery) -> Page[RegisteredModelRead]:
        """Return a page of models; prompts only where the filter or the name asks for them."""
        text, name = getattr(query, "filter", None), getattr(query, "name", None)
        conditions = [] if name and not text else [models_where(text)]
        return await self._page(query, self.visible(), *conditions)

    async def id_of(self, name: str) -> UUID:
        """Return the id of the model of this name; raise RegisteredModelNotFound."""
        found = await self._session.scalar(select(_M.id).where(_M.name == name, self.visible()))
        if found is None:
            raise RegisteredModelNotFound
        return found

    async def add(self, model: RegisteredModelCreate) -> RegisteredModelRead:
        self._caller.require_model(model.name)
        await self._require_project(model.project_id)
        values = model.model_dump(exclude={"tags"})
        made = await self._session.scalar(insert(_M).values(**values).returning(_M.id))
        assert made is not None  # noqa: S101 - an insert returns its row
        await write_tags(self._session, RegisteredModelTag, made, model.tags)
        return await self.get(made)

    async def change(
        self, model_id: UUID, change: RegisteredModelUpdate, expected: Expected
    ) -> RegisteredModelRead:
        """Change fields, and set or remove tags. A new name counts as a change of each version."""
        values = changes(change)
        tags = values.pop("tags", {})
        if "name" in values:
            self._caller.require_model(values["name"])
        if "project_id" in values:
            await self._require_project(values["project_id"])
        await self.touch(model_id, values or (_UNTOUCHED if tags else {}), expected)
        await write_tags(self._session, RegisteredModelTag, model_id, tags)
        if "name" in values:
            versions = update(ModelVersion).where(ModelVersion.model_id == model_id)
            await self._session.execute(versions.values(version=ModelVersion.version + 1))
        return await self.get(model_id)

    async def set_tags(self, model_id: UUID, tags: Tags) -> None:
        """Set tags, and remove those of None."""
        await self.touch(model_id, _UNTOUCHED)
        await write_tags(self._session, RegisteredModelTag, model_id, tags)

    async def touch(
        self, model_id: UUID, values: Mapping[str, Any], expected: Expected = None
    ) -> None:
        """Change the row and lock it until the transaction ends; raises as ``_change`` does."""
        await self._change(self._is(model_id), values, expected)

    async def set_alias(
        self, model_id: UUID, alias: str, number: int, expected: Expected = None
    ) -> RegisteredModelRead:
        """Point an alias to a version; it leaves the version that had it."""
        await self.touch(model_id, _UNTOUCHED, expected)
        await self._note_alias(model_id, alias, number)
        row = upsert(ModelAlias).values(model_id=model_id, alias=alias, number=number)
        await self._session.execute(
            row.on_conflict_do_update(
                index_elements=["model_id", "alias"], set_={"number": row.excluded.number}
            )
        )
        return await self.get(model_id)

    async def remove_alias(self, model_id: UUID, alias: str, expected: Expected = None) -> None:
        """Remove an alias; nothing changes where there is none."""
        await self.touch(model_id, _UNTOUCHED, expected)
        await self._note_alias(model_id, alias)
        where = (ModelAlias.model_id == model_id) & (ModelAlias.alias == alias)
        await self._session.execute(delete(ModelAlias).where(where))

    async def _note_alias(self, model_id: UUID, alias: str, *numbers: int) -> None:
        """Count a change of the version that has an alias, and of those that get it."""
        current = select(ModelAlias.number).where(
            ModelAlias.model_id == model_id, ModelAlias.alias == alias
        )
        version = ModelVersion
        affected = version.number.in_(numbers) | (version.number == current.scalar_subquery())
        await self._session.execute(
            update(version)
            .where(version.model_id == model_id, affected)
            .values(version=version.version + 1, updated_at=version.updated_at)
        )

    async def _require_own(self, where: ColumnElement[bool]) -> None:
        name = select(_M.name).where(where, self.visible())
        await require_name(self._session, self._caller, name)
        await super()._require_own(where)

    async def _require_project(self, project_id: UUID | None) -> None:
        if project_id is not None:
            await self._projects.require(project_id, "edit")


RegisteredModels = Annotated[
    RegisteredModelRepository, Depends(RegisteredModelRepository.from_request)
]
