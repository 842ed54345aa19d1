"""Lists from PostgreSQL: one builder for filters, order, keyset and count.

Each shape of a list (its filters, its order, first page or later) is built once and kept.
``sort=committed`` follows a list: rows come by the transaction that inserted them, and none of the
oldest running transaction or a later one. So no row appears before the end of a page.
``SqlListing.page`` returns typed rows through SQLAlchemy; ``json_listing.py`` has the other output.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Result,
    ScalarResult,
    Select,
    bindparam,
    func,
    select,
    true,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.base import ExecutableOption

from service.stores.sql.base import Base, IdTable
from service.stores.sql.fast_read import PreparedQuery, Projection, fetch
from service.stores.sql.filters import (
    COMMITTED,
    OPERATORS,
    Columns,
    Condition,
    CustomFilter,
    compare,
    inserted_before_running,
    prepare_value,
)
from service.web.pagination import Cursor, ListQuery, Page, Paginator, Sort

T = TypeVar("T")
AnySelect = Select[*tuple[Any, ...]]
SHAPES_KEPT = 256  # of each list
START = Cursor(0, UUID(int=0))  # of a list that is followed
SORT_VALUE, SORT_KEY = "sort_value", "sort_key"  # what a cursor is made of


class QueryShape(NamedTuple):
    """All of a request that changes its statement, and not only the values in it."""

    filters: tuple[str, ...]
    sort: str = ""
    after_cursor: bool = False
    has_offset: bool = False


def projection(
    table: type[Base], schema: type[BaseModel], *, without: Collection[str] = ()
) -> dict[str, ColumnElement[Any]]:
    """Return the columns that a schema shows, by name; a column that is missing is a KeyError."""
    columns = table.__table__.c
    return {name: columns[name] for name in schema.model_fields if name not in without}


class SqlListing:
    """A list of the rows of ``table`` for which ``where`` holds.

    Args:
        table: has the columns that the list is sorted by, and the id that breaks ties.
        query: its schema; a filter in it that is none of those below is a TypeError.
        shown: what of a row is returned, by its name; without, whole entities are.
        where: what all rows have in common.
        filters: columns compared by ``field=`` and ``field__op=`` of the query.
        custom: filters that are more than a comparison.
        elsewhere: names of filters that the repository applies.
        source: what the rows come from, if not the table alone.
        options: how entities load relationships: ``selectinload(Order.lines)``.
    """

    def __init__(
        self,
        table: type[IdTable],
        query: type[ListQuery],
        shown: Projection | None = None,
        *,
        where: Condition | None = None,
        filters: Columns | None = None,
        custom: Mapping[str, CustomFilter] | None = None,
        elsewhere: Collection[str] = (),
        source: FromClause | None = None,
        options: Sequence[ExecutableOption] = (),
    ) -> None:
        self._table, self._shown, self._options = table, shown, options
        self._where = true() if where is None else where
        self._query, self._filters, self._custom = query, filters or {}, custom or {}
        query.require_applied(self._filters, OPERATORS, {*self._custom, *elsewhere})
        self._source = table.__table__ if source is None else source
        self._rows_of = lru_cache(SHAPES_KEPT)(self._select_rows)
        self._count_of = lru_cache(SHAPES_KEPT)(self._select_count)

    @property
    def columns(self) -> list[ColumnElement[Any]]:
        """Columns of a row, labelled with their names."""
        shown: Mapping[str, Any] = self._shown or {}
        return [column.label(name) for name, column in shown.items()]

    def select(self) -> AnySelect:
        """Return the SELECT of all rows, as a single read needs it too."""
        if self._shown is not None:
            statement: AnySelect = select(*self.columns).select_from(self._source)
        else:
            # A row that changed in this session is read anew.
            statement = select(self._table).options(*self._options)
            statement = statement.execution_options(populate_existing=True)
        return statement.where(self._where)

    def rows(self, result: Result[*tuple[Any, ...]]) -> Result[Any] | ScalarResult[Any]:
        """Return the rows of such a SELECT, or its entities."""
        return result if self._shown is not None else result.scalars()

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
        total = await self._count(session, query.count, names, parameters, conditions)
        shape, parameters = self._shape(query, names, parameters, paginator)
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
        for name, value in query.filters().items():
            if name in self._custom:
                filters[name] = self._custom[name].prepare(value)
            elif name.partition("__")[0] in self._filters:
                filters[name] = prepare_value(name, value)
        followed = (COMMITTED,) if query.sort == COMMITTED else ()
        return {**filters, **values}, (*filters, *followed)

    def _shape(
        self,
        query: ListQuery,
        names: tuple[str, ...],
        values: dict[str, Any],
        paginator: Paginator,
    ) -> tuple[QueryShape, dict[str, Any]]:
        start, offset = paginator.position(query), getattr(query, "offset", 0)
        parameters = {**values, "_limit": query.limit + 1}
        if offset:
            parameters["_offset"] = offset
        if start is not None:
            parameters |= {"_value": start.value, "_key": start.key}
        return QueryShape(names, query.sort, start is not None, bool(offset)), parameters

    async def _count(
        self,
        session: AsyncSession,
        how: str,
        names: tuple[str, ...],
        values: Mapping[str, Any],
        conditions: Sequence[Condition] = (),
    ) -> int | None:
        """Return the exact number of rows, or the planner's estimate, which costs no scan."""
        if how == "none":
            return None
        matches = self._count_of(names).where(*conditions)
        if how == "exact":
            count = select(func.count()).select_from(matches.subquery())
            return await session.scalar(count, values)
        explain = PreparedQuery(matches, prefix="EXPLAIN (FORMAT JSON) ")
        ((plan,),) = await fetch(session, explain, values)
        plan = json.loads(plan) if isinstance(plan, str) else plan
        return int(plan[0]["Plan"]["Plan Rows"])

    def _select_rows(self, shape: QueryShape) -> AnySelect:
        statement = self.select()
        if self._shown is not None:
            column = getattr(self._table, Sort.parse(shape.sort).field)
            statement = statement.add_columns(
                column.label(SORT_VALUE), self._table.id.label(SORT_KEY)
            )
        return self._ordered(statement, shape)

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
        if self._shown is None:
            return Cursor(getattr(last, Sort.parse(sort).field), last.id)
        return Cursor(getattr(last, SORT_VALUE), getattr(last, SORT_KEY))

    def _select_count(self, names: tuple[str, ...]) -> AnySelect:
        statement = select(self._table.id).select_from(self._source).where(self._where)
        return statement.where(*map(self._condition, names))

    def _ordered(self, statement: AnySelect, shape: QueryShape) -> AnySelect:
        statement = statement.where(*map(self._condition, shape.filters))
        sort = Sort.parse(shape.sort)
        column, key = getattr(self._table, sort.field), self._table.id
        if shape.after_cursor:
            last = tuple_(bindparam("_value", type_=column.type), bindparam("_key", type_=key.type))
            this = tuple_(column, key)
            statement = statement.where(this < last if sort.descending else this > last)
        keys = (column.desc(), key.desc()) if sort.descending else (column, key)
        statement = statement.order_by(*keys).limit(bindparam("_limit", type_=Integer))
        if shape.has_offset:
            statement = statement.offset(bindparam("_offset", type_=Integer))
        return statement

    def _condition(self, name: str) -> Condition:
        if name == COMMITTED:
            return inserted_before_running(getattr(self._table, COMMITTED))
        custom = self._custom.get(name)
        if custom is not None:
            return custom.condition(bindparam(name, type_=custom.type_))
        return compare(name, self._filters)
