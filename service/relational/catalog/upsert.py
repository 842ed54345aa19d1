"""Upsert of products by their sku, and the order of locks that all bulk changes of products keep.

Three kinds of work meet on skus: inserts, in the order of their skus; updates, in the order of
their ids; and bulk renames, for which PostgreSQL has no order. So a bulk insert locks all skus in
shared mode, and a bulk rename in exclusive mode. Existing rows are locked before skus are inserted,
as an UPDATE does it too. So no two requests deadlock.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Text, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from service.core.cooperative import run_cooperatively
from service.relational.catalog.repository import ProductRepository
from service.relational.catalog.schemas import ProductCreate
from service.relational.catalog.stock_movements import record_stocks
from service.relational.catalog.tables import Product
from service.stores.sql.bulk import advisory_lock, any_of, insert_missing, unnest_rows

COLUMNS = ProductRepository.listing.columns
LOWER_SKU = func.lower(Product.sku, type_=Text())


class UpsertResult(NamedTuple):
    """A product that was created or changed."""

    id: UUID
    version: int
    created: bool


class ConcurrentInsert(Exception):
    """Others inserted some skus meanwhile; their rows must be locked first, so start again."""


async def lock_skus_shared(session: AsyncSession) -> None:
    """Take the first lock of a bulk insert."""
    await advisory_lock(session, "skus", alone=False)


async def lock_skus_exclusive(session: AsyncSession) -> None:
    """Take the first lock of a bulk rename."""
    await advisory_lock(session, "skus", alone=True)


async def upsert_products(
    session: AsyncSession, products: Sequence[ProductCreate], user_id: UUID | None
) -> Mapping[str, UpsertResult]:
    """Create or change products; a deleted one is restored. Return results by lowered sku.

    Each sku occurs once among them, and their categories are locked.
    """
    by_sku = {product.sku.lower(): product for product in products}
    while by_sku:
        with suppress(ConcurrentInsert):
            async with session.begin_nested():
                stored = await _lock(session, list(by_sku))
                missing = [product for sku, product in by_sku.items() if sku not in stored]
                created = await _insert(session, missing, user_id)
                if len(created) < len(missing):
                    raise ConcurrentInsert
                return created | await _change(session, stored, by_sku, user_id)
    return {}


async def _lock(session: AsyncSession, skus: Sequence[str]) -> dict[str, Any]:
    locked = select(Product.id, Product.sku, Product.stock).where(any_of(LOWER_SKU, skus))
    locked = locked.order_by(Product.id).with_for_update(key_share=True)
    return {row.sku.lower(): row for row in await session.execute(locked)}


async def _insert(
    session: AsyncSession, products: Sequence[ProductCreate], user_id: UUID | None
) -> dict[str, UpsertResult]:
    if not products:
        return {}
    rows = await run_cooperatively(map(new_row, products))
    created = await insert_products(session, rows, user_id)
    return {row.sku.lower(): UpsertResult(row.id, row.version, created=True) for row in created}


async def _change(
    session: AsyncSession,
    stored: Mapping[str, Any],
    by_sku: Mapping[str, ProductCreate],
    user_id: UUID | None,
) -> dict[str, UpsertResult]:
    rows = await run_cooperatively(
        {"id": row.id, **by_sku[sku].model_dump()} for sku, row in stored.items()
    )
    before = {row.id: row.stock for row in stored.values()}
    changed = await update_products(session, rows, before, user_id, deleted_at=None)
    return {row.sku.lower(): UpsertResult(row.id, row.version, created=False) for row in changed}


def new_row(product: ProductCreate) -> dict[str, Any]:
    return {"id": uuid7(), **product.model_dump()}


async def insert_products(
    session: AsyncSession, rows: Sequence[Mapping[str, Any]], user_id: UUID | None
) -> Sequence[Any]:
    """Insert the products whose sku is free; return them, and record their stock as initial."""
    into = insert_missing(Product, rows, ordered_by="sku").returning(*COLUMNS)
    created = (await session.execute(into)).all()
    stocks = {row.id: (0, row.stock) for row in created}
    await record_stocks(session, stocks, "initial", user_id)
    return created


async def update_products(
    session: AsyncSession,
    rows: Sequence[Mapping[str, Any]],
    before: Mapping[UUID, int],
    user_id: UUID | None,
    **more: Any,
) -> Sequence[Any]:
    """Give each locked product the values of its row; return the products as they are then.

    ``before`` is their stock; a change of it is recorded as a count.
    """
    if not rows:
        return ()
    unnested = unnest_rows(Product, rows)
    values = {name: unnested.c[name] for name in rows[0] if name != "id"}
    statement = (
        update(Product)
        .where(Product.id == unnested.c.id)
        .values(**values, **more, version=Product.version + 1)
        .returning(*COLUMNS)
    )
    changed = (await session.execute(statement)).all()
    stocks = {row.id: (before[row.id], row.stock) for row in changed}
    await record_stocks(session, stocks, "counted", user_id)
    return changed
