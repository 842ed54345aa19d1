"""Many rows in one statement of PostgreSQL: its text is the same for one row and for a thousand.

An array per column goes in and ``unnest`` makes a table of them, so a statement is prepared once
and never meets the driver's limit of 32,767 parameters.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
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

from service.stores.sql.base import Base

_NAMESPACE = 0x62756C6B  # "bulk", so that these locks meet no others


async def advisory_lock(session: AsyncSession, about: str, *, alone: bool) -> None:
    """Waits until nobody does ``about`` alone; ``alone`` also until nobody does it at all.

    For what cannot be locked in one order, such as unique values that an UPDATE brings. Comes
    before all other locks, and ends with the transaction.
    """
    lock = func.pg_advisory_xact_lock if alone else func.pg_advisory_xact_lock_shared
    await session.execute(select(lock(cast(_NAMESPACE, Integer), func.hashtext(about))))


def any_of(
    column: ColumnElement[Any] | InstrumentedAttribute[Any], values: Iterable[Any]
) -> ColumnElement[bool]:
    """``column = ANY(array)``."""
    return column == any_(_array(column.type, values))


def unnest_rows(table: type[Base], rows: Sequence[Mapping[str, Any]]) -> TableValuedAlias:
    """Rows of one shape as a table ``given``, with their place from 1 as ``nth``."""
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
    """Inserts the rows that no unique index refuses; add ``returning`` to learn which.

    They go in by ``ordered_by``, of a text whatever its case, so that two that overlap wait for
    each other and never in a circle; of two that are the same the first goes in.
    """
    given = unnest_rows(table, rows)
    by = given.c[ordered_by]
    names = list(rows[0])
    chosen = select(*[given.c[name] for name in names], *computed.values())
    chosen = chosen.order_by(func.lower(by) if isinstance(by.type, String) else by, given.c.nth)
    into = insert_or(table).from_select([*names, *computed], chosen, include_defaults=False)
    return into.on_conflict_do_nothing()


def _array(kind: TypeEngine[Any], values: Iterable[Any]) -> ColumnElement[Any]:
    # A cast to VARCHAR(n) cuts silently what an insert would refuse.
    return cast(list(values), ARRAY(Text() if isinstance(kind, String) else kind))
