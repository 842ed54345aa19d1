"""The verbs every repository on PostgreSQL needs: list a page, get, change and remove a row."""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

from sqlalchemy import (
    ClauseElement,
    ColumnElement,
    Executable,
    Select,
    SQLColumnExpression,
    delete,
    func,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from service.auth.caller import Caller, NotYours
from service.core.errors import NotFound, PreconditionFailed
from service.stores.sql.base import IdTable, VersionedTable
from service.web.conditional import Expected
from service.web.pagination import Cursor, ListQuery, Page, Paginator, Sort

T = TypeVar("T")
AnySelect = Select[*tuple[Any, ...]]
Columns = Mapping[str, SQLColumnExpression[Any]]
_ANY = true()


def _begins(column: ColumnElement[Any], value: str) -> ColumnElement[bool]:
    """Whatever the case; ``column`` is lower(…) and has a text_pattern_ops index."""
    escaped = re.sub(r"([%_/])", r"/\1", value)
    return column.like(func.lower(f"{escaped}%"), escape="/")


OPERATORS: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "prefix": _begins,
}


def owned_by(
    caller: Caller, column: SQLColumnExpression[Any], *, unless: str
) -> ColumnElement[bool]:
    """The rows that are the caller's own; all of them for who holds the scope ``unless``."""
    return _ANY if caller.has_scope(unless) else column == caller.user_id


def filtered(statement: AnySelect, filters: Mapping[str, Any], columns: Columns) -> AnySelect:
    """Adds ``field`` and ``field__op`` filters; those of other fields are the repository's."""
    for name, value in filters.items():
        field, _, op = name.partition("__")
        if field in columns:
            statement = statement.where(OPERATORS[op](columns[field], value))
    return statement


def quoted_words(typed: str) -> str:
    """The words of a search, for to_tsquery; quoted, so that nothing typed is an operator."""
    quoted = re.sub(r"(['\\])", r"\1\1", typed)
    return " & ".join(f"'{word}':*" for word in quoted.split())


def words_beginning_with(vector: Any, words: Any) -> ColumnElement[bool]:
    """Each of the words begins a word of ``vector``; they are as ``quoted_words`` gives them."""
    matches: ColumnElement[bool] = vector.bool_op("@@")(func.to_tsquery("simple", words))
    return matches


async def sql_page(
    session: AsyncSession,
    statement: AnySelect,
    table: type[IdTable],
    query: ListQuery,
    paginator: Paginator,
    read: Callable[[Any], T],
) -> Page[T]:
    """One page of ``statement``, whose rows have the table's ``id`` and the field it is sorted by.

    Rows of equal sort value are ordered by id, so that no tie is lost or repeated.
    """
    order = Sort.parse(query.sort)
    column = getattr(table, order.field)
    total = await _count(session, statement, query.count)
    start = paginator.position(query)
    if start is not None:
        here, there = tuple_(column, table.id), tuple_(start.value, start.key)
        statement = statement.where(here < there if order.descending else here > there)
    keys = (column.desc(), table.id.desc()) if order.descending else (column, table.id)
    statement = statement.order_by(*keys).limit(query.limit + 1)
    offset = getattr(query, "offset", 0)
    if offset:
        statement = statement.offset(offset)
    rows, last = query.split_page((await session.execute(statement)).all())
    end = None if last is None else Cursor(getattr(last, order.field), last.id)
    return paginator.page(query, [read(row) for row in rows], end, total)


async def _count(session: AsyncSession, statement: AnySelect, how: str) -> int | None:
    if how == "none":
        return None
    if how == "exact":
        return await session.scalar(select(func.count()).select_from(statement.subquery()))
    plan = await session.scalar(_Explain(statement))
    return int(plan[0]["Plan"]["Plan Rows"])


class _Explain(Executable, ClauseElement):
    """EXPLAIN of a statement: the planner's estimate costs no scan."""

    inherit_cache = False

    def __init__(self, statement: AnySelect) -> None:
        self.statement = statement


@compiles(_Explain)
def _compile_explain(element: _Explain, compiler: SQLCompiler, **options: Any) -> str:
    return "EXPLAIN (FORMAT JSON) " + compiler.process(element.statement, **options)


async def change_row(
    session: AsyncSession,
    table: type[VersionedTable],
    where: ColumnElement[bool],
    values: Mapping[str, Any],
    expected: Expected,
    missing: type[NotFound],
    *,
    mine: ColumnElement[bool] = _ANY,
) -> None:
    """Changes the one row of ``where`` and counts its version, if it is still as expected.

    ``where`` is what the caller may see, ``mine`` what they may change of it.

    Raises:
        NotFound: no such row, as the kind ``missing``.
        NotYours: it is somebody else's.
        PreconditionFailed: its version is none of ``expected``.
    """
    statement = (
        update(table)
        .where(where, mine, _as_expected(table, expected))
        .values(**values, version=table.version + 1)
        .returning(table.id)
    )
    if await session.scalar(statement) is None:
        await _refuse(session, table, where, missing, mine)


async def remove_row(
    session: AsyncSession,
    table: type[VersionedTable],
    where: ColumnElement[bool],
    expected: Expected,
    missing: type[NotFound],
    *,
    mine: ColumnElement[bool] = _ANY,
) -> None:
    """Removes the one row of ``where`` if it is still as expected; refuses as `change_row` does."""
    held = (where, mine, _as_expected(table, expected))
    statement = delete(table).where(*held).returning(table.id)
    if await session.scalar(statement) is None:
        await _refuse(session, table, where, missing, mine)


def _as_expected(table: type[VersionedTable], expected: Expected) -> ColumnElement[bool]:
    return _ANY if expected is None else table.version.in_(expected)


async def _refuse(
    session: AsyncSession,
    table: type[VersionedTable],
    where: ColumnElement[bool],
    missing: type[NotFound],
    mine: ColumnElement[bool],
) -> NoReturn:
    is_mine = await session.scalar(select(mine).select_from(table).where(where))
    if is_mine is None:
        raise missing
    raise PreconditionFailed if is_mine else NotYours
