"""Placement of orders: take all quantities from the stock, or nothing.

Products are locked in the order of their ids before they are checked. So the last piece is sold
once, and no two orders deadlock.
"""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import Depends

from service.core.errors import FieldError, field_error
from service.relational.catalog.stock_movements import (
    LockedProduct,
    NotEnoughStock,
    lock_products,
    move_stock,
)
from service.relational.orders.repository import BuyerUnknown, MixedCurrencies, ProductUnknown
from service.relational.orders.schemas import OrderCreate, OrderLineCreate, OrderRead
from service.relational.orders.tables import Order, OrderLine
from service.relational.users.repository import UserRepository
from service.stores.sql.context import SqlContext, SqlService


class OrderPlacement(SqlService):
    def __init__(self, context: SqlContext) -> None:
        super().__init__(context)
        self._users = UserRepository(context)

    async def place(self, order: OrderCreate) -> OrderRead:
        """Return the order at current prices.

        Raises:
            ProductUnknown, NotEnoughStock: with a pointer to each such line.
            MixedCurrencies: the prices have no common total.
            BuyerUnknown: the user does not exist.
        """
        user_id = await self._lock_buyer(order)
        products = await lock_products(self._session, [line.product_id for line in order.lines])
        _check(order, products)
        lines = [
            _order_line(place, line, products[line.product_id])
            for place, line in enumerate(order.lines)
        ]
        placed = Order(
            user_id=user_id,
            state="placed",
            currency=products[order.lines[0].product_id].currency,
            total=sum((line.amount for line in lines), Decimal(0)),
            lines=lines,
        )
        self._session.add(placed)
        await self._session.flush()
        taken = {product_id: -count for product_id, count in _quantities(order).items()}
        await move_stock(
            self._session, taken, "ordered", order_id=placed.id, user_id=self._caller.user_id
        )
        # Not read again, because others wait for these products until the transaction ends.
        return OrderRead.model_validate(placed)

    async def _lock_buyer(self, order: OrderCreate) -> UUID | None:
        user_id = self._caller.owner_for(order.user_id, "orders:admin", "/user_id")
        if not await self._users.lock(user_id):
            raise BuyerUnknown
        return user_id


def _order_line(place: int, line: OrderLineCreate, product: LockedProduct) -> OrderLine:
    return OrderLine(
        place=place,
        product_id=product.id,
        sku=product.sku,
        name=product.name,
        quantity=line.quantity,
        price=product.price,
    )


def _quantities(order: OrderCreate) -> Counter[UUID]:
    """Return the quantity of each product over all lines."""
    quantities: Counter[UUID] = Counter()
    for line in order.lines:
        quantities[line.product_id] += line.quantity
    return quantities


def _check(order: OrderCreate, products: Mapping[UUID, LockedProduct]) -> None:
    unknown = [
        _error(place, ProductUnknown.code, "Product does not exist.")
        for place, line in enumerate(order.lines)
        if line.product_id not in products
    ]
    if unknown:
        raise ProductUnknown(errors=unknown)
    if len({product.currency for product in products.values()}) > 1:
        raise MixedCurrencies
    quantities = _quantities(order)
    short = [
        _error(place, NotEnoughStock.code, f"{products[line.product_id].stock} are left.")
        for place, line in enumerate(order.lines)
        if quantities[line.product_id] > products[line.product_id].stock
    ]
    if short:
        raise NotEnoughStock(
            "Order less of the lines that errors names; nothing was ordered.", errors=short
        )


def _error(place: int, code: str, detail: str) -> FieldError:
    return field_error(pointer=f"/lines/{place}", code=code, detail=detail)


OrderPlacementDep = Annotated[OrderPlacement, Depends(OrderPlacement.from_request)]
