"""Placing an order: what it takes is taken from the stock, or nothing is.

Products are locked in the order of their ids before anything is looked at, so that the last of
something is sold once, and two orders never wait for each other in a circle.
"""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from sqlalchemy import insert
from uuid_utils.compat import uuid7

from service.auth.caller import CurrentCaller
from service.core.errors import FieldError
from service.relational.catalog.stock_movements import (
    Held,
    NotEnoughStock,
    hold_products,
    move_stock,
)
from service.relational.orders.repository import COLUMNS, BuyerUnknown, LineUnknown, MixedCurrencies
from service.relational.orders.schemas import OrderCreate, OrderLineCreate, OrderLineRead, OrderRead
from service.relational.orders.tables import Order, OrderLine
from service.relational.users.repository import Users
from service.stores.sql.engine import SqlSession
from service.web.context import provided


class Placing:
    def __init__(self, session: SqlSession, users: Users, caller: CurrentCaller) -> None:
        self._session, self._users, self._caller = session, users, caller

    async def place(self, order: OrderCreate) -> OrderRead:
        """The order, with the prices of now.

        Raises:
            LineUnknown, NotEnoughStock: with a pointer to each such line.
            MixedCurrencies: there is no one total.
            BuyerUnknown: there is no such user.
        """
        user_id = await self._buyer(order)
        held = await hold_products(self._session, [line.product_id for line in order.lines])
        _check(order, held)
        order_id, lines = uuid7(), [_frozen(line, held[line.product_id]) for line in order.lines]
        statement = insert(Order).values(
            id=order_id,
            user_id=user_id,
            state="placed",
            currency=held[order.lines[0].product_id].currency,
            total=sum((line.amount for line in lines), Decimal(0)),
        )
        row = (await self._session.execute(statement.returning(*COLUMNS))).one()
        rows = [
            {"order_id": order_id, "place": place, **line.model_dump(exclude={"amount"})}
            for place, line in enumerate(lines)
        ]
        await self._session.execute(insert(OrderLine), rows)
        taken = {product_id: -count for product_id, count in _wanted(order).items()}
        await move_stock(
            self._session, taken, "ordered", order_id=order_id, user_id=self._caller.user_id
        )
        # Not read again: others wait for these products until the transaction ends.
        return OrderRead(**row._mapping, lines=lines)

    async def _buyer(self, order: OrderCreate) -> UUID | None:
        user_id = self._caller.owner_for(order.user_id, "orders:admin", "/user_id")
        if not await self._users.lock(user_id):
            raise BuyerUnknown
        return user_id


def _frozen(line: OrderLineCreate, product: Held) -> OrderLineRead:
    return OrderLineRead(
        product_id=product.id,
        sku=product.sku,
        name=product.name,
        quantity=line.quantity,
        price=product.price,
        amount=product.price * line.quantity,
    )


def _wanted(order: OrderCreate) -> Counter[UUID]:
    """How many of each product, in all lines."""
    wanted: Counter[UUID] = Counter()
    for line in order.lines:
        wanted[line.product_id] += line.quantity
    return wanted


def _check(order: OrderCreate, held: Mapping[UUID, Held]) -> None:
    unknown = [
        _error(place, LineUnknown.code, "There is no such product.")
        for place, line in enumerate(order.lines)
        if line.product_id not in held
    ]
    if unknown:
        raise LineUnknown(errors=unknown)
    if len({product.currency for product in held.values()}) > 1:
        raise MixedCurrencies
    wanted = _wanted(order)
    short = [
        _error(place, NotEnoughStock.code, f"There are {held[line.product_id].stock} left.")
        for place, line in enumerate(order.lines)
        if wanted[line.product_id] > held[line.product_id].stock
    ]
    if short:
        raise NotEnoughStock("Nothing was ordered; errors names each line.", errors=short)


def _error(place: int, code: str, detail: str) -> FieldError:
    return FieldError(pointer=f"/lines/{place}", code=code, detail=detail)


Place = Annotated[Placing, provided(Placing)]
