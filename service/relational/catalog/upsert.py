"""Products by their sku: there is none, and it is made; there is one, and it is changed.

Three kinds of work meet on skus: making them, in the order of their text; changing rows, in the
order of their ids; and giving many rows other skus, for which PostgreSQL knows no order. So whoever
makes many shares the skus with all others, and whoever renames many has them alone; and rows are
held before skus are made, as an UPDATE does it too. Then nobody waits in a circle.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Text, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from service.relational.catalog.repository import COLUMNS
from service.relational.catalog.schemas import ProductCreate, Reason
from service.relational.catalog.stock_movements import note_movements
from service.relational.catalog.tables import Product
from service.stores.sql.bulk import advisory_lock, any_of, insert_missing, unnest_rows

LOWERED = func.lower(Product.sku, type_=Text())


class Put(NamedTuple):
    """A product that was made or changed."""

    id: UUID
    version: int
    made: bool


async def share_skus(session: AsyncSession) -> None:
    """Comes first where many are made."""
    await advisory_lock(session, "skus", alone=False)


async def own_skus(session: AsyncSession) -> None:
    """Comes first where many are given another sku."""
    await advisory_lock(session, "skus", alone=True)


async def put_products(
    session: AsyncSession, products: Sequence[ProductCreate], user_id: UUID | None
) -> Mapping[str, Put]:
    """What became of each, by its sku in small letters; a deleted one comes back.

    Each sku stands among them once, and their categories are held.
    """
    by_sku = {product.sku.lower(): product for product in products}
    while by_sku:
        with suppress(_MadeMeanwhile):
            async with session.begin_nested():
                there = await _hold(session, list(by_sku))
                missing = [product for sku, product in by_sku.items() if sku not in there]
                made = await _insert(session, missing, user_id)
                if len(made) < len(missing):
                    raise _MadeMeanwhile
                return made | await _change(session, there, by_sku, user_id)
    return {}


class _MadeMeanwhile(Exception):
    """Others made some. Their rows come before skus: let go of these, and once more."""


async def _hold(session: AsyncSession, skus: Sequence[str]) -> dict[str, Any]:
    held = select(Product.id, Product.sku, Product.stock)
    held = held.where(any_of(LOWERED, skus))
    held = held.order_by(Product.id).with_for_update(key_share=True)
    return {row.sku.lower(): row for row in await session.execute(held)}


async def _insert(
    session: AsyncSession, products: Sequence[ProductCreate], user_id: UUID | None
) -> dict[str, Put]:
    if not products:
        return {}
    rows = [{"id": uuid7(), **product.model_dump()} for product in products]
    into = insert_missing(Product, rows, ordered_by="sku").returning(*COLUMNS)
    made = (await session.execute(into)).all()
    await note_stock(session, {row.id: (0, row.stock) for row in made}, "initial", user_id)
    return {row.sku.lower(): Put(row.id, row.version, made=True) for row in made}


async def _change(
    session: AsyncSession,
    there: Mapping[str, Any],
    by_sku: Mapping[str, ProductCreate],
    user_id: UUID | None,
) -> dict[str, Put]:
    rows = [{"id": row.id, **by_sku[sku].model_dump()} for sku, row in there.items()]
    before = {row.id: row.stock for row in there.values()}
    changed = await update_products(session, rows, before, user_id, deleted_at=None)
    return {row.sku.lower(): Put(row.id, row.version, made=False) for row in changed}


async def update_products(
    session: AsyncSession,
    rows: Sequence[Mapping[str, Any]],
    before: Mapping[UUID, int],
    user_id: UUID | None,
    **more: Any,
) -> Sequence[Any]:
    """Products as they are after each has become what its row says.

    They are held, and ``before`` is their stock, of which a change is kept as a count.
    """
    if not rows:
        return ()
    given = unnest_rows(Product, rows)
    values = {name: given.c[name] for name in rows[0] if name != "id"}
    statement = (
        update(Product)
        .where(Product.id == given.c.id)
        .values(**values, **more, version=Product.version + 1)
        .returning(*COLUMNS)
        .execution_options(synchronize_session=False)
    )
    changed = (await session.execute(statement)).all()
    moved = {row.id: (before[row.id], row.stock) for row in changed}
    await note_stock(session, moved, "counted", user_id)
    return changed


async def note_stock(
    session: AsyncSession,
    moved: Mapping[UUID, tuple[int, int]],
    reason: Reason,
    user_id: UUID | None,
) -> None:
    """Keeps a movement of each product whose stock is not what it was."""
    movements = [
        {"product_id": product_id, "change": after - before, "stock_after": after}
        for product_id, (before, after) in moved.items()
        if after != before
    ]
    await note_movements(session, movements, reason, user_id=user_id)
