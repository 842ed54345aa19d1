"""Lists from PostgreSQL: what they show, and what narrows and sorts them.

Each form of a list (these filters, that order, the first page or a later one) is built once and
kept; its rows come as the JSON that goes out.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from fastapi import Response
from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Select,
    bindparam,
    func,
    select,
    true,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.functions import Function

from service.stores.sql.base import IdTable
from service.stores.sql.fast_read import PreparedQuery, Projection, fetch, json_row
from service.stores.sql.rows import OPERATORS, Columns
from service.web.pagination import Cursor, ListQuery, Paginator, Sort

FORMS_KEPT = 256  # of each list
Condition = ColumnElement[bool]


class CustomFilter(NamedTuple):
    """A filter that is more than a comparison of one column."""

    condition: Callable[[Any], Condition]  # of the value, which comes as a parameter
    type_: Any
    value: Callable[[Any], Any] = lambda value: value  # as the condition wants it


class QueryShape(NamedTuple):
    """All of a request that changes its statement, and not only the values in it."""

    filters: tuple[str, ...]
    sort: str = ""
    after_cursor: bool = False
    has_offset: bool = False


class SqlListing:
    """A list of the rows of ``table`` for which ``where`` holds.

    Args:
        shown: what of a row goes out.
        filters: columns compared by ``field=`` and ``field__op=`` of the query; a column that is
            lowered is compared with the lowered value.
        special: the other filters, by name.
        source: what the rows come from, if not the table alone.
    """

    def __init__(
        self,
        table: type[IdTable],
        shown: Projection,
        *,
        where: Condition | None = None,
        filters: Columns | None = None,
        special: Mapping[str, CustomFilter] | None = None,
        source: FromClause | None = None,
    ) -> None:
        self._table, self._json = table, json_row(shown)
        self._where = true() if where is None else where
        self._filters, self._special = filters or {}, special or {}
        self._source = table.__table__ if source is None else source
        self._page_in = lru_cache(FORMS_KEPT)(self._build_page)
        self._count_in = lru_cache(FORMS_KEPT)(self._build_count)

    async def page(
        self, session: AsyncSession, query: ListQuery, paginator: Paginator, **values: Any
    ) -> Response:
        """One page as it goes out.

        ``values`` are those of the parameters in ``where``, and of filters whose value is not as
        it was sent.

        Rows of equal sort value are ordered by id, so that no tie is lost or repeated.
        """
        narrowed = {
            name: self._prepared(name, value)
            for name, value in query.filters().items()
            if name in self._special or name.partition("__")[0] in self._filters
        }
        names, offset = tuple(narrowed), getattr(query, "offset", 0)
        values = {**narrowed, **values}
        total = await self._count(session, names, values, query.count)
        values["_limit"] = query.limit + 1
        if offset:
            values["_offset"] = offset
        start = paginator.position(query)
        if start is not None:
            values |= {"_value": start.value, "_key": start.key}
        form = QueryShape(names, query.sort, start is not None, bool(offset))
        rows, last = query.split_page(await fetch(session, self._page_in(form), values))
        end = None if last is None else Cursor(last[1], last[0])
        items = ",".join([text for _, _, text in rows])
        return paginator.answer(query, f"[{items}]", end, total)

    def _prepared(self, name: str, value: Any) -> Any:
        if name in self._special:
            return self._special[name].value(value)
        if name.endswith("__prefix"):
            return re.sub(r"([%_/])", r"/\1", value) + "%"
        return value

    async def _count(
        self, session: AsyncSession, names: tuple[str, ...], values: Mapping[str, Any], how: str
    ) -> int | None:
        if how == "none":
            return None
        statement = self._count_in(names, how)
        (found,) = (await fetch(session, statement, values))[0]
        if how == "exact":
            return int(found)
        plan = json.loads(found) if isinstance(found, str) else found
        return int(plan[0]["Plan"]["Plan Rows"])

    def _build_page(self, form: QueryShape) -> PreparedQuery:
        order = Sort.parse(form.sort)
        column, key = getattr(self._table, order.field), self._table.id
        statement = self._narrow(select(key, column, self._json), form.filters)
        if form.after_cursor:
            there = tuple_(
                bindparam("_value", type_=column.type), bindparam("_key", type_=key.type)
            )
            here = tuple_(column, key)
            statement = statement.where(here < there if order.descending else here > there)
        keys = (column.desc(), key.desc()) if order.descending else (column, key)
        statement = statement.order_by(*keys).limit(bindparam("_limit", type_=Integer))
        if form.has_offset:
            statement = statement.offset(bindparam("_offset", type_=Integer))
        return PreparedQuery(statement)

    def _build_count(self, names: tuple[str, ...], how: str) -> PreparedQuery:
        found = self._narrow(select(self._table.id), names)
        if how == "exact":
            return PreparedQuery(select(func.count()).select_from(found.subquery()))
        return PreparedQuery(found, prefix="EXPLAIN (FORMAT JSON) ")

    def _narrow(
        self, statement: Select[*tuple[Any, ...]], names: Sequence[str]
    ) -> Select[*tuple[Any, ...]]:
        statement = statement.select_from(self._source).where(self._where)
        return statement.where(*map(self._condition, names))

    def _condition(self, name: str) -> Condition:
        special = self._special.get(name)
        if special is not None:
            return special.condition(bindparam(name, type_=special.type_))
        field, _, op = name.partition("__")
        column: Any = self._filters[field]
        bound: Any = bindparam(name, type_=column.type)
        if isinstance(column, Function) and column.name == "lower":
            bound = func.lower(bound)
        return _OPERATORS[op](column, bound)


def _begins(column: Any, escaped: Any) -> Condition:
    """Of a column that has a text_pattern_ops index."""
    begins: Condition = column.like(escaped, escape="/")
    return begins


_OPERATORS = {**OPERATORS, "prefix": _begins}
