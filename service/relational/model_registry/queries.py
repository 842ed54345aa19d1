"""Parts of the registry's statements: tags and aliases as JSON, and changes of tags."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    JSON,
    ColumnElement,
    SQLColumnExpression,
    Text,
    delete,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by, insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.relational.model_registry.tables import (
    ModelAlias,
    ModelVersion,
    ModelVersionTag,
    RegisteredModel,
    RegisteredModelTag,
)

TagTable = type[RegisteredModelTag] | type[ModelVersionTag]
Tags = Mapping[str, str | None]


def owner_of(table: TagTable) -> Any:
    """Return the column of what a tag belongs to."""
    return table.model_id if issubclass(table, RegisteredModelTag) else table.version_id


def tags_of(table: TagTable, owner: SQLColumnExpression[UUID]) -> ColumnElement[Any]:
    """Return the tags of a row as an object, in the order of their keys."""
    tags = _object(table.key, table.value)
    return select(tags).where(owner_of(table) == owner).scalar_subquery()


def bytes_of_tags(table: TagTable, owner: SQLColumnExpression[UUID]) -> ColumnElement[int]:
    """Return the bytes of the tags of a row."""
    size = func.sum(func.octet_length(table.key) + func.octet_length(table.value))
    return select(func.coalesce(size, 0)).where(owner_of(table) == owner).scalar_subquery()


def aliases_of(model_id: SQLColumnExpression[UUID]) -> ColumnElement[Any]:
    """Return the aliases of a model as an object of numbers."""
    aliases = _object(ModelAlias.alias, ModelAlias.number)
    return select(aliases).where(ModelAlias.model_id == model_id).scalar_subquery()


def latest_of(model_id: SQLColumnExpression[UUID]) -> ColumnElement[Any]:
    """Return the greatest number of each stage as an object."""
    latest = (
        select(ModelVersion.stage, func.max(ModelVersion.number).label("number"))
        .where(ModelVersion.model_id == model_id)
        .correlate(RegisteredModel)
        .group_by(ModelVersion.stage)
        .subquery()
    )
    return select(_object(latest.c.stage, latest.c.number)).scalar_subquery()


def names_of(
    model_id: SQLColumnExpression[UUID], number: SQLColumnExpression[int]
) -> ColumnElement[Any]:
    """Return the aliases of a version as an array."""
    names = func.array_agg(aggregate_order_by(ModelAlias.alias, ModelAlias.alias))
    return (
        select(func.coalesce(names, literal_column("'{}'"), type_=ARRAY(Text)))
        .where(ModelAlias.model_id == model_id, ModelAlias.number == number)
        .scalar_subquery()
    )


def _object(key: Any, value: Any) -> ColumnElement[Any]:
    pairs = func.json_object_agg(key, aggregate_order_by(value, key))
    return func.coalesce(pairs, literal_column("'{}'"), type_=JSON)


async def write_tags(session: AsyncSession, table: TagTable, owner: UUID, tags: Tags) -> None:
    """Set tags, and remove those without a value; the caller has locked what they belong to."""
    column = owner_of(table)
    removed = [key for key, value in tags.items() if value is None]
    rows = [
        {column.key: owner, "key": key, "value": value}
        for key, value in sorted(tags.items())
        if value is not None
    ]
    if removed:
        await session.execute(delete(table).where(column == owner, table.key.in_(removed)))
    if rows:
        upsert = insert(table).values(rows)
        changed = upsert.on_conflict_do_update(
            index_elements=[column, table.key], set_={"value": upsert.excluded.value}
        )
        await session.execute(changed)
