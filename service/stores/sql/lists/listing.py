"""Lists from PostgreSQL: one builder for filters, order, keyset and count.

Each shape of a list (its filters, its order, first page or later) is built once and kept.
``sort=committed`` follows a list: rows come by the transaction that inserted them, and none of the
oldest running transaction or a later one. So no row appears before the end of a page.
``SqlListing.page`` returns typed rows through SQLAlchemy; ``json_listing.py`` has the other output.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.stores.sql.lists.filters import Condition, prepare
from service.stores.sql.lists.keyset import cursor_values
from service.stores.sql.lists.partial_rows import reader_of
from service.stores.sql.lists.statements import (
    SORT_KEY,
    SORT_VALUE,
    AnySelect,
    ListStatements,
    QueryShape,
    projection,
)
from service.stores.sql.lists.totals import count_items
from service.web.lists.cursors import Cursor
from service.web.lists.page_numbers import Total
from service.web.lists.pagination import ListQuery, Page, Paginator
from service.web.lists.sorting import COMMITTED, parse_sort

T = TypeVar("T")
START = Cursor((0,), UUID(int=0))  # of a list that is followed
__all__ = ["AnySelect", "SqlListing", "projection"]


class SqlListing(ListStatements):
    """A list of rows, page by page; its arguments are those of ListStatements."""

    async def page(
        self,
        session: AsyncSession,
        query: ListQuery,
        paginator: Paginator,
        read: Callable[[Any], T],
        *conditions: Condition,
        **values: Any,
    ) -> Page[T]:
        """Return one page, each row passed through ``read``.

        ``conditions`` narrow the list beyond its filters; ``values`` are parameters of ``where``.
        Rows of equal sort value are ordered by id, so that no tie is lost or repeated.
        """
        parameters, names = self._parameters(query, values)
        total = await self._total(session, query, names, parameters, conditions)
        shape, parameters = self._shape(query, names, parameters, paginator)
        if shape.fields and self._schema is not None:
            # What is not read is not in the response either.
            read = cast("Callable[[Any], T]", reader_of(self._schema, shape.fields))
        statement = self._rows_of(shape).where(*conditions)
        rows, last = query.split_page(self.rows(await session.execute(statement, parameters)).all())
        end = self._end(query, paginator, rows, last)
        return paginator.page(query, [read(row) for row in rows], end, total)

    def _parameters(
        self, query: ListQuery, values: Mapping[str, Any]
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return the values of all parameters, and the names of the filters among them."""
        self._query.require_same(query)
        filters: dict[str, Any] = {}
        names = []
        for name, value in query.filters().items():
            if name in self._custom:
                filters[name] = self._custom[name].prepare(value)
                names.append(name)
            elif name.partition("__")[0] in self._filters:
                prepared, parameters = prepare(name, value, self._filters)
                names.append(prepared)
                filters |= parameters
        followed = (COMMITTED,) if query.sort == COMMITTED else ()
        return {**filters, **values}, (*names, *followed)

    def _shape(
        self,
        query: ListQuery,
        names: tuple[str, ...],
        values: dict[str, Any],
        paginator: Paginator,
    ) -> tuple[QueryShape, dict[str, Any]]:
        start, skip = paginator.position(query), query.skip
        parameters = {**values, "_limit": query.size + 1}
        if skip:
            parameters["_offset"] = skip
        if start is not None:
            parameters |= cursor_values(start.values, start.key)
        fields = tuple(sorted(paginator.fields)) if self._reads_only(paginator.fields) else ()
        return QueryShape(names, query.sort, start is not None, bool(skip), fields), parameters

    def _reads_only(self, fields: frozenset[str]) -> bool:
        """Return whether rows may have these fields alone."""
        is_selected = self._shown is None or fields <= self._shown.keys()
        return self._schema is not None and is_selected

    async def _total(
        self,
        session: AsyncSession,
        query: ListQuery,
        names: tuple[str, ...],
        values: Mapping[str, Any],
        conditions: Sequence[Condition] = (),
    ) -> Total | None:
        if query.count == "none" and query.number is None:
            return None
        matches = self._count_of(names).where(*conditions)
        return await count_items(session, query, matches, values)

    def _end(
        self, query: ListQuery, paginator: Paginator, rows: Sequence[Any], last: Any
    ) -> Cursor | None:
        """Return the position of ``last``, which is the last row if there are more.

        A list that is followed always has a position, from which it goes on.
        """
        if last is not None:
            return self._cursor(last, query.sort)
        if query.sort != COMMITTED:
            return None
        end = self._cursor(rows[-1], query.sort) if rows else paginator.position(query)
        return (end or START)._replace(has_more=False)

    def _cursor(self, last: Any, sort: str) -> Cursor:
        sorts = parse_sort(sort)
        if self._shown is None:
            return Cursor(tuple(getattr(last, field) for field, _ in sorts), last.id)
        values = (getattr(last, f"{SORT_VALUE}{place}") for place in range(len(sorts)))
        return Cursor(tuple(values), getattr(last, SORT_KEY))
