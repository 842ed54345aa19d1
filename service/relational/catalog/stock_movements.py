"""Changes of stock: each is a movement with a reason, in the transaction of the change.

Rows are locked in the order of their ids, so that two that overlap wait for one another and never
in a circle.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, Uuid, column, insert, select, update, values
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from service.core.errors import Conflict
from service.relational.catalog.schemas import Reason
from service.relational.catalog.tables import Product, StockMovement
from service.stores.sql.bulk import unnest_rows


class NotEnoughStock(Conflict):
    code, title = "not_enough_stock", "There is not that much in stock"
    constraints = ("ck_products_stock", "ck_stock_movements_stock_after")


class NoMovement(Conflict):
    code, title, pointer = "no_movement", "A movement is of something", "/change"
    detail = "Send a change other than 0."
    constraints = "ck_stock_movements_change"


class Held(NamedTuple):
    """A product as it is until the transaction ends."""

    id: UUID
    sku: str
    name: str
    price: Decimal
    currency: str
    stock: int


async def hold_products(
    session: AsyncSession, product_ids: Iterable[UUID], *, deleted_too: bool = False
) -> Mapping[UUID, Held]:
    """The products of these ids that are there, locked."""
    p = Product
    held = select(p.id, p.sku, p.name, p.price, p.currency, p.stock)
    held = held.where(p.id.in_(set(product_ids)))
    if not deleted_too:
        held = held.where(p.deleted_at.is_(None))
    found = await session.execute(held.order_by(p.id).with_for_update())
    return {row.id: Held(*row) for row in found}


async def move_stock(
    session: AsyncSession, changes: Mapping[UUID, int], reason: Reason, **about: Any
) -> None:
    """Adds to the stock of products that are held, and notes it; two statements for all of them.

    ``about`` is ``note``, ``order_id`` and ``user_id`` of the movements.

    Raises:
        NotEnoughStock: by the database, if a stock would fall below 0.
    """
    wanted = list(changes.items())
    change = values(column("id", Uuid), column("change", BigInteger), name="change").data(wanted)
    statement = (
        update(Product)
        .where(Product.id == change.c.id)
        .values(stock=Product.stock + change.c.change, version=Product.version + 1)
        .returning(Product.id, Product.stock)
    )
    after = {row.id: row.stock for row in await session.execute(statement)}
    await note_movements(
        session,
        [
            {"product_id": product_id, "change": by, "stock_after": after[product_id]}
            for product_id, by in wanted
        ],
        reason,
        **about,
    )


async def note_movements(
    session: AsyncSession, moved: Sequence[Mapping[str, Any]], reason: Reason, **about: Any
) -> None:
    """Keeps movements, if there are any, in one statement."""
    if not moved:
        return
    rows = [{"id": uuid7(), "reason": reason, **about, **each} for each in moved]
    given, names = unnest_rows(StockMovement, rows), list(rows[0])
    chosen = select(*[given.c[name] for name in names]).order_by(given.c.nth)
    into = insert(StockMovement).from_select(names, chosen, include_defaults=False)
    await session.execute(into)
