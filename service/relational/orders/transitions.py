"""The steps of an order: placed → paid → fulfilled, or cancelled while it is not fulfilled.

Each is one guarded UPDATE, so that of two that come at once one is refused.
"""

from collections import Counter
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import func, update

from service.auth.caller import CurrentCaller
from service.core.errors import PreconditionFailed
from service.relational.catalog.stock_movements import hold_products, move_stock
from service.relational.orders.repository import Orders, WrongState
from service.relational.orders.schemas import OrderRead, State
from service.relational.orders.tables import Order
from service.stores.sql.engine import SqlSession
from service.web.conditional import Expected
from service.web.context import provided


class OrderSteps:
    def __init__(self, session: SqlSession, orders: Orders, caller: CurrentCaller) -> None:
        self._session, self._orders, self._caller = session, orders, caller

    async def pay(self, order_id: UUID, expected: Expected) -> OrderRead:
        return await self._step(order_id, expected, ("placed",), "paid", paid_at=func.now())

    async def fulfill(self, order_id: UUID, expected: Expected) -> OrderRead:
        when = {"fulfilled_at": func.now()}
        return await self._step(order_id, expected, ("paid",), "fulfilled", **when)

    async def cancel(self, order_id: UUID, expected: Expected) -> OrderRead:
        """Gives back what the order took."""
        when = {"cancelled_at": func.now()}
        order = await self._step(order_id, expected, ("placed", "paid"), "cancelled", **when)
        taken: Counter[UUID] = Counter()
        for line in order.lines:
            taken[line.product_id] += line.quantity
        await hold_products(self._session, taken, deleted_too=True)
        await move_stock(
            self._session, taken, "cancelled", order_id=order_id, user_id=self._caller.user_id
        )
        return order

    async def _step(
        self, order_id: UUID, expected: Expected, before: tuple[State, ...], to: State, **when: Any
    ) -> OrderRead:
        this = Order.id == order_id
        statement = update(Order).where(this, self._orders.seen(), Order.state.in_(before))
        if expected is not None:
            statement = statement.where(Order.version.in_(expected))
        statement = statement.values(state=to, version=Order.version + 1, **when)
        changed = await self._session.scalar(statement.returning(Order.id))
        order = await self._orders.get(order_id)
        if changed is None:
            if expected is not None and order.version not in expected:
                raise PreconditionFailed
            raise WrongState(f"It is {order.state}; this takes one that is {' or '.join(before)}.")
        return order


Steps = Annotated[OrderSteps, provided(OrderSteps)]
