"""Versions of registered models in PostgreSQL."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends
from sqlalchemy import ColumnElement, exists, insert, select, update
from sqlalchemy.dialects.postgresql import distinct_on

from service.core.errors import Refused
from service.relational.model_registry.queries import Tags, names_of, tags_of, write_tags
from service.relational.model_registry.repository import (
    ModelVersionNotFound,
    RegisteredModelRepository,
)
from service.relational.model_registry.rules import LATEST, Stage, number_of
from service.relational.model_registry.searchable import OWNER
from service.relational.model_registry.tables import (
    ModelAlias,
    ModelVersion,
    ModelVersionTag,
    RegisteredModel,
)
from service.relational.model_registry.version_schemas import (
    VersionQuery,
    VersionRead,
    VersionUpdate,
)
from service.relational.model_registry.visibility import (
    editable_model,
    require_name,
    visible_model,
)
from service.stores.sql.context import SqlContext
from service.stores.sql.lists.listing import SqlListing, projection
from service.stores.sql.repository import SqlRepository
from service.web.conditional import Expected
from service.web.lists.pagination import Page
from service.web.schemas import changes


class AliasUnknown(Refused):
    code, title = "alias_unknown", "Alias names no version of this model"


_V, _M = ModelVersion, RegisteredModel
_UNTOUCHED = {"updated_at": _V.updated_at}  # of a change of tags
VERSIONS = SqlListing(
    _V,
    VersionQuery,
    {
        **projection(_V, VersionRead, without=("name", "aliases", "tags")),
        "name": OWNER.c.name,
        "aliases": names_of(_V.model_id, _V.number),
        "tags": tags_of(ModelVersionTag, _V.id),
    },
    schema=VersionRead,
    filters={"stage": _V.stage, "run_id": _V.run_id},
    source=_V.__table__.join(OWNER, OWNER.c.id == _V.model_id),
)


class VersionRepository(SqlRepository[VersionRead]):
    """Versions are seen and changed by those who see and change their model."""

    table, schema, missing = _V, VersionRead, ModelVersionNotFound
    listing = VERSIONS

    def __init__(self, context: SqlContext) -> None:
        super().__init__(context)
        self.models = RegisteredModelRepository(context)

    def visible(self) -> ColumnElement[bool]:
        return _of_model(visible_model(self._caller))

    def own(self) -> ColumnElement[bool]:
        return _of_model(editable_model(self._caller))

    async def number_of(self, model_id: UUID, version: str | int) -> int:
        """Return the number that a number, an alias or ``latest`` names.

        Raises:
            ModelVersionNotFound: no alias of the model has this name.
        """
        number = version if isinstance(version, int) else number_of(version)
        return await self.number_as(model_id, str(version)) if number is None else number

    async def number_as(self, model_id: UUID, alias: str) -> int:
        """Return the number that an alias or ``latest`` names; an alias may be ``5``.

        Raises:
            ModelVersionNotFound: no alias of the model has this name.
        """
        named = select(ModelAlias.number).where(
            ModelAlias.model_id == model_id, ModelAlias.alias == alias
        )
        if alias.lower() == LATEST:
            newest = _V.number.desc()
            named = select(_V.number).where(_V.model_id == model_id).order_by(newest).limit(1)
        number = await self._session.scalar(named)
        if number is None:
            raise ModelVersionNotFound
        return number

    async def get_of(self, model_id: UUID, version: str | int) -> VersionRead:
        """Return the version that a number or an alias names."""
        return await self._get(_is(model_id, await self.number_of(model_id, version)))

    async def by_alias(self, model_id: UUID, alias: str) -> VersionRead:
        """Return the version of an alias, or the one of the greatest number for ``latest``.

        Raises:
            AliasUnknown: the model has no such alias; a client of MLflow takes it for its mistake.
        """
        try:
            return await self._get(_is(model_id, await self.number_as(model_id, alias)))
        except ModelVersionNotFound:
            if alias.lower() == LATEST:
                raise
            raise AliasUnknown from None

    async def list_of(self, model_id: UUID, query: VersionQuery) -> Page[VersionRead]:
        await self.models.get(model_id)
        return await self._page(query, _V.model_id == model_id)

    async def latest_of(self, model_ids: list[UUID]) -> list[VersionRead]:
        """Return the version with the greatest number in each stage of each model."""
        newest = (
            select(_V.id)
            .ext(distinct_on(_V.model_id, _V.stage))
            .where(_V.model_id.in_(model_ids))
            .order_by(_V.model_id, _V.stage, _V.number.desc())
            .correlate(None)
        )
        statement = self.listing.select().where(_V.id.in_(newest), self.visible())
        result = await self._session.execute(statement.order_by(_V.number))
        return [self.read(row) for row in result]

    async def add(self, model_id: UUID, values: Mapping[str, Any], tags: Tags) -> VersionRead:
        """Make the next version of a model. Its number is of the model's row, which is locked."""
        await self.models.touch(model_id, {"last_number": _M.last_number + 1})
        number = select(_M.last_number).where(_M.id == model_id).scalar_subquery()
        row = {**values, "model_id": model_id, "number": number}
        made = await self._session.scalar(insert(_V).values(**row).returning(_V.id))
        assert made is not None  # noqa: S101 - an insert returns its row
        await write_tags(self._session, ModelVersionTag, made, tags)
        return await self.get(made)

    async def change_of(
        self, model_id: UUID, version: str | int, change: VersionUpdate, expected: Expected
    ) -> VersionRead:
        """Change fields, stage and tags, if the version is as expected."""
        number = await self.number_of(model_id, version)
        values = changes(change)
        tags, archives = values.pop("tags", {}), values.pop("archive_existing", False)
        if "stage" in values:
            await self.models.touch(model_id, {"description": _M.description})
        await self._change(_is(model_id, number), values or (_UNTOUCHED if tags else {}), expected)
        if archives:
            await self._archive(model_id, values["stage"], number)
        changed = await self._get(_is(model_id, number))
        if not tags:
            return changed
        await write_tags(self._session, ModelVersionTag, changed.id, tags)
        return await self._get(_is(model_id, number))

    async def remove_of(self, model_id: UUID, version: str | int, expected: Expected) -> None:
        """Remove a version with its aliases; its number is not given again."""
        number = await self.number_of(model_id, version)
        await self.models.touch(model_id, {"description": _M.description})
        await self._remove(_is(model_id, number), expected)

    async def set_tags(self, model_id: UUID, number: int, tags: Tags) -> None:
        """Set tags, and remove those of None."""
        await self._change(_is(model_id, number), _UNTOUCHED, None)
        version_id = await self._session.scalar(select(_V.id).where(_is(model_id, number)))
        assert version_id is not None  # noqa: S101 - it has just been changed
        await write_tags(self._session, ModelVersionTag, version_id, tags)

    async def _require_own(self, where: ColumnElement[bool]) -> None:
        name = select(OWNER.c.name).where(OWNER.c.id == _V.model_id, where, self.visible())
        await require_name(self._session, self._caller, name)
        await super()._require_own(where)

    async def _archive(self, model_id: UUID, stage: Stage, number: int) -> None:
        others = (_V.model_id == model_id) & (_V.stage == stage) & (_V.number != number)
        values = {"stage": "Archived", "version": _V.version + 1}
        await self._session.execute(update(_V).where(others).values(**values))


def _is(model_id: UUID, number: int) -> ColumnElement[bool]:
    return (_V.model_id == model_id) & (_V.number == number)


def _of_model(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(_M.id == _V.model_id, condition)


Versions = Annotated[VersionRepository, Depends(VersionRepository.from_request)]
