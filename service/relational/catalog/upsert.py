"""Upsert of products by their sku, and the order of locks that all bulk changes of products keep.

Three kinds of work meet on skus: inserts, in the order of their skus; updates, in the order of
their ids; and bulk renames, for which PostgreSQL has no order. So a bulk insert locks all skus in
shared mode, and a bulk rename in exclusive mode. Existing rows are locked before skus are inserted,
as an UPDATE does it too. So no two requests deadlock.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import Text, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from service.core.cooperative import Slices
from service.core.errors import PreconditionFailed, Refused, ServiceError, field_error
from service.relational.catalog.repository import ProductRepository
from service.relational.catalog.schemas import ProductCreate
from service.relational.catalog.stock_movements import record_stocks
from service.relational.catalog.tables import Product
from service.stores.sql.bulk import advisory_lock, any_of, insert_missing, unnest_rows

_FIELDS = tuple(ProductCreate.model_fields)
_REQUIRED = tuple(name for name, field in ProductCreate.model_fields.items() if field.is_required())
_DEFAULTS = {
    name: field.default
    for name, field in ProductCreate.model_fields.items()
    if not field.is_required()
}
COLUMNS = ProductRepository.listing.columns
LOWER_SKU = func.lower(Product.sku, type_=Text())


class UpsertResult(NamedTuple):
    """A product that was created or changed, or was as wanted."""

    id: UUID
    version: int
    outcome: Literal["created", "updated", "unchanged"]


class Incomplete(Refused):
    code, title = "incomplete", "New product lacks a value"
    detail = "Send all values that a new product needs; no product has this sku."


Upserted = UpsertResult | ServiceError


class ConcurrentInsert(Exception):
    """Others inserted some skus meanwhile; their rows must be locked first, so start again."""


async def lock_skus_shared(session: AsyncSession) -> None:
    """Take the first lock of a bulk insert."""
    await advisory_lock(session, "skus", alone=False)


async def lock_skus_exclusive(session: AsyncSession) -> None:
    """Take the first lock of a bulk rename."""
    await advisory_lock(session, "skus", alone=True)


async def upsert_products(
    session: AsyncSession,
    products: Sequence[Mapping[str, Any]],
    user_id: UUID | None,
    *,
    skip_equal: bool = False,
) -> Mapping[str, Upserted]:
    """Create or change products; a deleted one is restored. Return results by lowered sku.

    Each sku occurs once among them, and their categories are locked. A value that a stored product
    is not given stays. A ``version`` is the one that the stored product must have.

    Args:
        session: the session of the transaction.
        products: values by column.
        user_id: for the movements of stock.
        skip_equal: write no product that is as wanted.
    """
    by_sku = {product["sku"].lower(): product for product in products}
    while by_sku:
        with suppress(ConcurrentInsert):
            async with session.begin_nested():
                stored = await _lock(session, list(by_sku))
                missing = {sku: by_sku[sku] for sku in by_sku if sku not in stored}
                created = await _insert(session, missing, user_id)
                changed = await _change(session, stored, by_sku, user_id, skip_equal)
                return {**created, **changed}
    return {}


async def _lock(session: AsyncSession, skus: Sequence[str]) -> dict[str, Any]:
    locked = select(*COLUMNS).where(any_of(LOWER_SKU, skus))
    locked = locked.order_by(Product.id).with_for_update(key_share=True)
    return {row.sku.lower(): row for row in await session.execute(locked)}


async def _insert(
    session: AsyncSession, wanted: Mapping[str, Mapping[str, Any]], user_id: UUID | None
) -> dict[str, Upserted]:
    """Insert products.

    Raises:
        ConcurrentInsert: some exist now.
    """
    results: dict[str, Upserted] = {}
    rows = []
    slices = Slices()
    for sku, values in wanted.items():
        await slices.end()
        lacks = [name for name in _REQUIRED if name not in values]
        if "version" in values:
            results[sku] = _version_conflict("Remove the version: no product has this sku.")
        elif lacks:
            results[sku] = _incomplete(lacks)
        else:
            rows.append({"id": uuid7(), **_DEFAULTS, **values})
    created = await insert_products(session, rows, user_id) if rows else ()
    if len(created) < len(rows):
        raise ConcurrentInsert
    for row in created:
        results[row.sku.lower()] = UpsertResult(row.id, row.version, "created")
    return results


def _version_conflict(detail: str) -> ServiceError:
    code = PreconditionFailed.code
    return PreconditionFailed(errors=[field_error(pointer="/version", code=code, detail=detail)])


def _incomplete(lacks: Sequence[str]) -> ServiceError:
    return Incomplete(
        errors=[
            field_error(pointer=f"/{name}", code="missing", detail=Incomplete.detail)
            for name in lacks
        ]
    )


async def _change(
    session: AsyncSession,
    stored: Mapping[str, Any],
    by_sku: Mapping[str, Mapping[str, Any]],
    user_id: UUID | None,
    skip_equal: bool,
) -> dict[str, Upserted]:
    results: dict[str, Upserted] = {}
    rows = []
    slices = Slices()
    for sku, row in stored.items():
        await slices.end()
        wanted, before = by_sku[sku], row._mapping
        values = {name: wanted.get(name, before[name]) for name in _FIELDS}
        if wanted.get("version", row.version) != row.version:
            results[sku] = _version_conflict(f"Read it again: its version is {row.version}.")
        elif skip_equal and row.deleted_at is None and _holds(before, values):
            results[sku] = UpsertResult(row.id, row.version, "unchanged")
        else:
            rows.append({"id": row.id, **values})
    stocks = {row.id: row.stock for row in stored.values()}
    for row in await update_products(session, rows, stocks, user_id, deleted_at=None):
        results[row.sku.lower()] = UpsertResult(row.id, row.version, "updated")
    return results


def _holds(stored: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    return all(stored[name] == value for name, value in values.items())


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
