"""Registered models by their names, for readers that join them with other data."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import JSON, ColumnElement, Row, func, literal_column, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession

from service.auth.caller import Caller
from service.relational.model_registry.queries import names_of
from service.relational.model_registry.searchable import marks_prompt
from service.relational.model_registry.tables import (
    ModelVersion,
    RegisteredModel,
    RegisteredModelTag,
)
from service.relational.model_registry.visibility import visible_model

MAX_VERSIONS = 100  # of a model, the newest
_M, _V, _T = RegisteredModel, ModelVersion, RegisteredModelTag


class RegisteredVersion(NamedTuple):
    """A version of a registered model."""

    number: int
    stage: str
    status: str
    run_id: str | None
    aliases: Sequence[str]


class Registered(NamedTuple):
    """A registered model, its newest versions first, and how many versions it has in all."""

    id: UUID
    name: str
    description: str | None
    versions: Sequence[RegisteredVersion]
    version_count: int


async def registered_after(
    session: AsyncSession, caller: Caller, name: str, limit: int
) -> Sequence[Registered]:
    """Return the models that the caller sees with a greater name, in bytewise order."""
    statement = _models(caller).where(_M.name > name).order_by(_M.name).limit(limit)
    return [_read(row) for row in await session.execute(statement)]


async def registered_as(session: AsyncSession, caller: Caller, name: str) -> Registered | None:
    """Return the model of this name, None if the caller sees none."""
    row = (await session.execute(_models(caller).where(_M.name == name))).one_or_none()
    return None if row is None else _read(row)


def _models(caller: Caller) -> Any:
    """Return the SELECT of visible models; prompts are registered too, and serve nothing."""
    version_count = select(func.count()).where(_V.model_id == _M.id).scalar_subquery()
    columns = (
        _M.id,
        _M.name,
        _M.description,
        _versions().label("versions"),
        version_count.label("version_count"),
    )
    return select(*columns).where(
        visible_model(caller),
        ~marks_prompt(_T.model_id, _M.id),
    )


def _versions() -> ColumnElement[Any]:
    newest = (
        select(_V.number, _V.stage, _V.status, _V.run_id, names_of(_V.model_id, _V.number))
        .where(_V.model_id == _M.id)
        .correlate(_M)
        .order_by(_V.number.desc())
        .limit(MAX_VERSIONS)
        .subquery()
    )
    version = func.json_build_array(*newest.c)
    listed = func.json_agg(aggregate_order_by(version, newest.c.number.desc()))
    return select(func.coalesce(listed, literal_column("'[]'"), type_=JSON)).scalar_subquery()


def _read(row: Row[Any]) -> Registered:
    versions = [RegisteredVersion(*version) for version in row.versions]
    return Registered(row.id, row.name, row.description, versions, row.version_count)
