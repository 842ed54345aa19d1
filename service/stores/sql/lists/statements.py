"""The statements of a list: built once for each shape of its queries."""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from pydantic import BaseModel
from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Result,
    ScalarResult,
    Select,
    bindparam,
    inspect,
    select,
    true,
)
from sqlalchemy.orm import load_only
from sqlalchemy.sql.base import ExecutableOption

from service.stores.sql.base import Base, IdTable
from service.stores.sql.fast_read import Projection
from service.stores.sql.lists.filters import (
    OPERATORS,
    Columns,
    Condition,
    CustomFilter,
    compare,
    inserted_before_running,
)
from service.stores.sql.lists.keyset import after, keys_of
from service.web.lists.pagination import ListQuery
from service.web.lists.sorting import COMMITTED, parse_sort
from service.web.schemas import ResponseModel

AnySelect = Select[*tuple[Any, ...]]
SHAPES_KEPT = 256  # of each list
SORT_VALUE, SORT_KEY = "sort_value", "sort_key"  # what a cursor is made of; values are numbered


class QueryShape(NamedTuple):
    """All of a request that changes its statement, and not only the values in it."""

    filters: tuple[str, ...]
    sort: str = ""
    after_cursor: bool = False
    has_offset: bool = False
    fields: tuple[str, ...] = ()


def projection(
    table: type[Base], schema: type[BaseModel], *, without: Collection[str] = ()
) -> dict[str, ColumnElement[Any]]:
    """Return the columns that a schema shows, by name; a column that is missing is a KeyError."""
    columns = table.__table__.c
    return {name: columns[name] for name in schema.model_fields if name not in without}


class ListStatements:
    """A list of the rows of ``table`` for which ``where`` holds.

    Args:
        table: has the columns that the list is sorted by, and the id that breaks ties.
        query: its schema; a filter in it that is none of those below is a TypeError.
        shown: what of a row is returned, by its name; without, whole entities are.
        schema: what rows are read into field by field, so that `fields=` reads no others.
        sorts: what the list is sorted by under a name, if not the table's column of that name.
        where: what all rows have in common.
        filters: columns compared by ``field=`` and ``field__op=`` of the query.
        custom: filters that are more than a comparison.
        elsewhere: names of filters that the repository applies.
        source: what the rows come from, if not the table alone.
        options: how entities load a relationship, by its name: ``selectinload(Order.lines)``.
    """

    def __init__(
        self,
        table: type[IdTable],
        query: type[ListQuery],
        shown: Projection | None = None,
        *,
        schema: type[ResponseModel] | None = None,
        sorts: Columns | None = None,
        where: Condition | None = None,
        filters: Columns | None = None,
        custom: Mapping[str, CustomFilter] | None = None,
        elsewhere: Collection[str] = (),
        source: FromClause | None = None,
        options: Mapping[str, ExecutableOption] | None = None,
    ) -> None:
        self._table, self._shown, self._options = table, shown, options or {}
        self._schema, self._sorts = schema, sorts or {}
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

    def select(self, fields: Collection[str] = ()) -> AnySelect:
        """Return the SELECT of all rows, as a single read needs it too; of all fields or these."""
        if self._shown is not None:
            columns = [one for one in self.columns if not fields or one.name in fields]
            statement: AnySelect = select(*columns).select_from(self._source)
        else:
            options = [
                option for name, option in self._options.items() if not fields or name in fields
            ]
            if fields:
                options.append(self._columns_of_entity(fields))
            # A row that changed in this session is read anew.
            statement = select(self._table).options(*options)
            statement = statement.execution_options(populate_existing=True)
        return statement.where(self._where)

    def _columns_of_entity(self, fields: Collection[str]) -> ExecutableOption:
        names = {*fields} & {*inspect(self._table).column_attrs.keys()}
        return load_only(*(getattr(self._table, name) for name in sorted(names)))

    def rows(self, result: Result[*tuple[Any, ...]]) -> Result[Any] | ScalarResult[Any]:
        """Return the rows of such a SELECT, or its entities."""
        return result if self._shown is not None else result.scalars()

    def _select_rows(self, shape: QueryShape) -> AnySelect:
        if self._shown is None:
            sorts = [field for field, _ in parse_sort(shape.sort)] if shape.fields else []
            return self._ordered(self.select([*shape.fields, *sorts]), shape)
        statement = self.select(shape.fields)
        columns = *self._sort_values(shape.sort), self._table.id.label(SORT_KEY)
        return self._ordered(statement.add_columns(*columns), shape)

    def _sorted_by(self, sort: str) -> list[Any]:
        """Return what the list is sorted by."""
        return [
            self._sorts.get(field, getattr(self._table, field)) for field, _ in parse_sort(sort)
        ]

    def _sort_values(self, sort: str) -> list[ColumnElement[Any]]:
        columns = enumerate(self._sorted_by(sort))
        return [column.label(f"{SORT_VALUE}{place}") for place, column in columns]

    def _select_count(self, names: tuple[str, ...]) -> AnySelect:
        statement = select(self._table.id).select_from(self._source).where(self._where)
        return statement.where(*map(self._condition, names))

    def _ordered(self, statement: AnySelect, shape: QueryShape) -> AnySelect:
        statement = statement.where(*map(self._condition, shape.filters))
        keys = keys_of(parse_sort(shape.sort), self._sorted_by(shape.sort), self._table.id)
        if shape.after_cursor:
            statement = statement.where(after(keys))
        statement = statement.order_by(*(key.ordered() for key in keys))
        statement = statement.limit(bindparam("_limit", type_=Integer))
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
