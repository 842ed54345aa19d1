"""Changes of stock: each is a movement with a reason, in the transaction of the change.

Products are locked in the order of their ids, so that overlapping requests wait and never deadlock.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, Uuid, column, insert, select, update, values
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from service.core.cooperative import run_cooperatively
from service.core.errors import Conflict
from service.relational.catalog.schemas import Reason
from service.relational.catalog.tables import Product, StockMovement
from service.stores.sql.bulk import unnest_rows


class NotEnoughStock(Conflict):
    code, title = "not_enough_stock", "Not enough in stock"
    constraints = ("ck_products_stock", "ck_stock_movements_stock_after")


class NoMovement(Conflict):
    code, title, pointer = "no_movement", "Change must not be 0", "/change"
    detail = "Send a change other than 0."
    constraints = "ck_stock_movements_change"


class LockedProduct(NamedTuple):
    """A product that stays as it is until the transaction ends."""

    id: UUID
    sku: str
    name: str
    price: Decimal
    currency: str
    stock: int


async def lock_products(
    session: AsyncSession, product_ids: Iterable[UUID], *, with_deleted: bool = False
) -> Mapping[UUID, LockedProduct]:
    """Lock products until the transaction ends; return the existing ones by id."""
    p = Product
    locked = select(p.id, p.sku, p.name, p.price, p.currency, p.stock)
    locked = locked.where(p.id.in_(set(product_ids)))
    if not with_deleted:
        locked = locked.where(p.deleted_at.is_(None))
    rows = await session.execute(locked.order_by(p.id).with_for_update())
    return {row.id: LockedProduct(*row) for row in rows}


async def move_stock(
    session: AsyncSession, changes: Mapping[UUID, int], reason: Reason, **about: Any
) -> None:
    """Add to the stock of locked products and record it, in two statements for all of them.

    ``about`` is ``note``, ``order_id`` and ``user_id`` of the movements.

    Raises:
        NotEnoughStock: by a constraint, if a stock would fall below 0.
    """
    rows = list(changes.items())
    change = values(column("id", Uuid), column("change", BigInteger), name="change").data(rows)
    statement = (
        update(Product)
        .where(Product.id == change.c.id)
        .values(stock=Product.stock + change.c.change, version=Product.version + 1)
        .returning(Product.id, Product.stock)
    )
    after = {row.id: row.stock for row in await session.execute(statement)}
    movements = [
        {"product_id": product_id, "change": change, "stock_after": after[product_id]}
        for product_id, change in rows
    ]
    await _record(session, movements, reason, **about)


async def record_stocks(
    session: AsyncSession,
    stocks: Mapping[UUID, tuple[int, int]],
    reason: Reason,
    user_id: UUID | None,
) -> None:
    """Record a movement of each product whose stock before and after differ."""
    movements = [
        {"product_id": product_id, "change": after - before, "stock_after": after}
        for product_id, (before, after) in stocks.items()
        if after != before
    ]
    await _record(session, movements, reason, user_id=user_id)


async def _record(
    session: AsyncSession, movements: Sequence[Mapping[str, Any]], reason: Reason, **about: Any
) -> None:
    """Insert all movements in one statement."""
    if not movements:
        return
    rows = await run_cooperatively(
        {"id": uuid7(), "reason": reason, **about, **movement} for movement in movements
    )
    unnested, names = unnest_rows(StockMovement, rows), list(rows[0])
    chosen = select(*[unnested.c[name] for name in names]).order_by(unnested.c.nth)
    into = insert(StockMovement).from_select(names, chosen, include_defaults=False)
    await session.execute(into)
