"""Searches of registered models and versions, page by page, in any order."""

from collections.abc import Awaitable, Callable, Sequence
from itertools import accumulate
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

from fastapi import Depends
from sqlalchemy import func

from service.relational.model_registry.queries import bytes_of_tags
from service.relational.model_registry.repository import MODELS, RegisteredModelRepository
from service.relational.model_registry.schemas import RegisteredModelRead
from service.relational.model_registry.searchable import (
    MODEL_NAMES,
    OWNER,
    VERSION_NAMES,
    models_where,
    versions_where,
)
from service.relational.model_registry.tables import ModelVersion, ModelVersionTag, RegisteredModel
from service.relational.model_registry.version_schemas import VersionRead
from service.relational.model_registry.versions import VERSIONS, VersionRepository
from service.relational.search_language.ordering import Ordering, parse_order
from service.relational.search_language.page_tokens import PageTokens
from service.stores.sql.context import SqlContext, SqlService
from service.stores.sql.lists.listing import AnySelect

T = TypeVar("T")
MOST_VERSIONS, MOST_BYTES = 10_000, 16 * 2**20  # of a page, whatever a client wants
_M, _V = RegisteredModel, ModelVersion
_TEXTS = (_V.source, _V.location, _V.run_link, _V.description)
_BYTES = sum(
    (func.octet_length(func.coalesce(text, "")) for text in _TEXTS),
    bytes_of_tags(ModelVersionTag, _V.id),
)


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
        """Return a page of versions, the last changed ones first unless an order is named.

        It ends before ``limit`` where its texts have many bytes.
        """
        ties: list[tuple[Any, bool]] = [(OWNER.c.name, False), (_V.number, True), (_V.id, False)]
        if not wanted.order_by:
            ties.insert(0, (_V.updated_at, True))
        order = Ordering.of(parse_order(wanted.order_by), VERSION_NAMES, ties)
        statement = VERSIONS.select().where(versions_where(wanted.filter), self._versions.visible())
        wanted = wanted._replace(limit=min(wanted.limit, MOST_VERSIONS))
        rows, token = await self._page(
            "model versions", wanted, order, statement, self._fitting_versions
        )
        return Found([self._versions.read(row) for row in rows], token)

    async def _fitting_versions(self, statement: AnySelect) -> int:
        """Return how many of the versions that a statement finds fit a page; at least one."""
        sizes = statement.with_only_columns(_BYTES, maintain_column_froms=True)
        sums = accumulate((await self._session.scalars(sizes)).all())
        return max(1, sum(1 for size in sums if size <= MOST_BYTES))

    async def _page(
        self,
        name: str,
        wanted: Wanted,
        order: Ordering,
        statement: AnySelect,
        fitting: Callable[[AnySelect], Awaitable[int]] | None = None,
    ) -> tuple[Sequence[Any], str | None]:
        signer = self._context.request.state.signer
        tokens = PageTokens(signer, name, wanted.filter, list(wanted.order_by))
        end = tokens.read(wanted.token)
        if end is not None:
            statement = statement.where(order.after(end))
        statement, limit = order.apply(statement), wanted.limit
        if fitting is not None:
            limit = min(limit, await fitting(statement.limit(limit)))
        statement = statement.add_columns(*order.columns()).limit(limit + 1)
        rows = (await self._session.execute(statement)).all()
        if len(rows) <= limit:
            return rows, None
        return rows[:limit], tokens.write(order.values(rows[limit - 1]))


Search = Annotated[RegistrySearch, Depends(RegistrySearch.from_request)]
