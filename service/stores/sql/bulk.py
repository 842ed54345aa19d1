"""Many rows in one statement of PostgreSQL; its text does not depend on their number.

Each column is one array parameter, and ``unnest`` makes a table of them. A statement is therefore
prepared once and stays below the driver's limit of 32,767 parameters.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    Row,
    String,
    TableValuedAlias,
    Text,
    any_,
    cast,
    column,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.dialects.postgresql import insert as insert_or
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.types import TypeEngine

from service.core.cooperative import run_cooperatively
from service.stores.sql.base import Base
from service.web.schemas import ResponseModel

R = TypeVar("R", bound=ResponseModel)
_NAMESPACE = 0x62756C6B  # "bulk": the first key of these advisory locks


async def advisory_lock(session: AsyncSession, about: str, *, alone: bool) -> None:
    """Take the advisory lock of ``about``: exclusive if ``alone``, else shared.

    Use it for rows that cannot be locked in one order, such as unique values that an UPDATE sets.
    Take it before all other locks; it is released at the end of the transaction.
    """
    lock = func.pg_advisory_xact_lock if alone else func.pg_advisory_xact_lock_shared
    await session.execute(select(lock(cast(_NAMESPACE, Integer), func.hashtext(about))))


def any_of(
    column: ColumnElement[Any] | InstrumentedAttribute[Any], values: Iterable[Any]
) -> ColumnElement[bool]:
    """Return the condition ``column = ANY(array)``."""
    return column == any_(_array(column.type, values))


def unnest_rows(table: type[Base], rows: Sequence[Mapping[str, Any]]) -> TableValuedAlias:
    """Return rows of the same columns as a table ``given``; ``nth`` numbers them from 1."""
    types = {name: table.__table__.c[name].type for name in rows[0]}
    arrays = [_array(kind, [row[name] for row in rows]) for name, kind in types.items()]
    named = [column(name, kind) for name, kind in types.items()]
    unnested = func.unnest(*arrays).table_valued(*named, with_ordinality="nth")
    return unnested.render_derived(name="given")


def insert_missing(
    table: type[Base],
    rows: Sequence[Mapping[str, Any]],
    *,
    ordered_by: str,
    **computed: ColumnElement[Any],
) -> Insert:
    """Return the INSERT of the rows that violate no unique index; ``returning`` names them.

    Rows are inserted in the order of ``ordered_by`` (of text in any case), so that concurrent
    inserts of the same rows do not deadlock. Of two equal rows the first is inserted.
    """
    new_rows = unnest_rows(table, rows)
    by = new_rows.c[ordered_by]
    names = list(rows[0])
    ordered = select(*[new_rows.c[name] for name in names], *computed.values()).order_by(
        func.fold_name(by) if isinstance(by.type, String) else by, new_rows.c.nth
    )
    statement = insert_or(table).from_select([*names, *computed], ordered, include_defaults=False)
    return statement.on_conflict_do_nothing()


async def read_rows(schema: type[R], rows: Iterable[Row[Any]], key: str = "id") -> dict[Any, R]:
    """Return rows of columns as they are answered, by their ``key``; it reads them in slices."""

    def read(row: Row[Any]) -> tuple[Any, R]:
        # From attributes it takes three times as long, because each missing one raises an error.
        values = dict(zip(row._fields, row, strict=True))
        return values[key], schema.model_validate(values)

    return dict(await run_cooperatively(map(read, rows)))


def _array(kind: TypeEngine[Any], values: Iterable[Any]) -> ColumnElement[Any]:
    # A cast to VARCHAR(n) would silently cut text for which an INSERT raises an error.
    return cast(list(values), ARRAY(Text() if isinstance(kind, String) else kind))
