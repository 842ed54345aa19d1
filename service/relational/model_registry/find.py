"""Searches of registered models and versions, page by page, in any order."""

from collections.abc import Sequence
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

from fastapi import Depends

from service.relational.model_registry.repository import MODELS, RegisteredModelRepository
from service.relational.model_registry.schemas import RegisteredModelRead
from service.relational.model_registry.searchable import (
    MODEL_NAMES,
    OWNER,
    VERSION_NAMES,
    models_where,
    versions_where,
)
from service.relational.model_registry.tables import ModelVersion, RegisteredModel
from service.relational.model_registry.version_schemas import VersionRead
from service.relational.model_registry.versions import VERSIONS, VersionRepository
from service.relational.search_language.ordering import Ordering, parse_order
from service.relational.search_language.page_tokens import PageTokens
from service.stores.sql.context import SqlContext, SqlService
from service.stores.sql.lists.listing import AnySelect

T = TypeVar("T")
_M, _V = RegisteredModel, ModelVersion


class Wanted(NamedTuple):
    """A page of a search: at most ``limit`` of what ``filter`` finds, behind ``token``."""

    limit: int
    filter: str | None = None
    order_by: Sequence[str] = ()
    token: str | None = None


class Found(NamedTuple, Generic[T]):
    """A page of a search, and the token of the next one if there is more."""

    items: list[T]
    next_token: str | None


class RegistrySearch(SqlService):
    """Finds what the caller sees.

    Raises:
        InvalidFilter, InvalidOrder: the text is not of the search language, or names unknown names.
        BadCursor: the token is of another search.
    """

    def __init__(self, context: SqlContext) -> None:
        super().__init__(context)
        self._models, self._versions = (
            RegisteredModelRepository(context),
            VersionRepository(context),
        )

    async def models(self, wanted: Wanted) -> Found[RegisteredModelRead]:
        """Return a page of registered models; ties are in the order of names."""
        ties = [(_M.name, False), (_M.id, False)]
        order = Ordering.of(parse_order(wanted.order_by), MODEL_NAMES, ties)
        statement = MODELS.select().where(models_where(wanted.filter), self._models.visible())
        rows, token = await self._page("registry", wanted, order, statement)
        return Found([self._models.read(row) for row in rows], token)

    async def versions(self, wanted: Wanted) -> Found[VersionRead]:
        """Return a page of versions, the last changed ones first unless an order is named."""
        ties: list[tuple[Any, bool]] = [(OWNER.c.name, False), (_V.number, True), (_V.id, False)]
        if not wanted.order_by:
            ties.insert(0, (_V.updated_at, True))
        order = Ordering.of(parse_order(wanted.order_by), VERSION_NAMES, ties)
        statement = VERSIONS.select().where(versions_where(wanted.filter), self._versions.visible())
        rows, token = await self._page("model versions", wanted, order, statement)
        return Found([self._versions.read(row) for row in rows], token)

    async def _page(
        self, name: str, wanted: Wanted, order: Ordering, statement: AnySelect
    ) -> tuple[Sequence[Any], str | None]:
        signer = self._context.request.state.signer
        tokens = PageTokens(signer, name, wanted.filter, list(wanted.order_by))
        end = tokens.read(wanted.token)
        if end is not None:
            statement = statement.where(order.after(end))
        statement = statement.add_columns(*order.columns()).limit(wanted.limit + 1)
        rows = (await self._session.execute(order.apply(statement))).all()
        if len(rows) <= wanted.limit:
            return rows, None
        return rows[: wanted.limit], tokens.write(order.values(rows[wanted.limit - 1]))


Search = Annotated[RegistrySearch, Depends(RegistrySearch.from_request)]
