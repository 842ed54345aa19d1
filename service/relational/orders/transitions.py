"""Transitions of an order: placed → paid → fulfilled, or cancelled before it is fulfilled.

Each is one guarded UPDATE, so that of two concurrent ones only one succeeds.
"""

from collections import Counter
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends
from sqlalchemy import func, update

from service.core.errors import PreconditionFailed
from service.relational.catalog.stock_movements import lock_products, move_stock
from service.relational.orders.repository import OrderRepository, WrongState
from service.relational.orders.schemas import OrderRead, State
from service.relational.orders.tables import Order
from service.stores.sql.context import SqlContext, SqlService
from service.web.conditional import Expected


class OrderTransitions(SqlService):
    """Each transition returns the order.

    Raises:
        OrderNotFound, WrongState, PreconditionFailed: the order stays as it is.
    """

    def __init__(self, context: SqlContext) -> None:
        super().__init__(context)
        self._orders = OrderRepository(context)

    async def pay(self, order_id: UUID, expected: Expected) -> OrderRead:
        return await self._move(order_id, expected, ("placed",), "paid", paid_at=func.now())

    async def fulfill(self, order_id: UUID, expected: Expected) -> OrderRead:
        time = {"fulfilled_at": func.now()}
        return await self._move(order_id, expected, ("paid",), "fulfilled", **time)

    async def cancel(self, order_id: UUID, expected: Expected) -> OrderRead:
        """Return the quantities of the order to the stock, also of deleted products."""
        time = {"cancelled_at": func.now()}
        order = await self._move(order_id, expected, ("placed", "paid"), "cancelled", **time)
        quantities: Counter[UUID] = Counter()
        for line in order.lines:
            quantities[line.product_id] += line.quantity
        await lock_products(self._session, quantities, with_deleted=True)
        await move_stock(
            self._session, quantities, "cancelled", order_id=order_id, user_id=self._caller.user_id
        )
        return order

    async def _move(
        self, order_id: UUID, expected: Expected, before: tuple[State, ...], to: State, **time: Any
    ) -> OrderRead:
        is_order = Order.id == order_id
        statement = update(Order).where(is_order, self._orders.visible(), Order.state.in_(before))
        if expected is not None:
            statement = statement.where(Order.version.in_(expected))
        statement = statement.values(state=to, version=Order.version + 1, **time)
        changed = await self._session.scalar(statement.returning(Order.id))
        order = await self._orders.get(order_id)
        if changed is None:
            if expected is not None and order.version not in expected:
                raise PreconditionFailed
            raise WrongState(
                f"The order is {order.state}; send this for an order that is {' or '.join(before)}."
            )
        return order


OrderTransitionsDep = Annotated[OrderTransitions, Depends(OrderTransitions.from_request)]
