"""Routes of orders."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from service.auth.caller import needs
from service.relational.catalog.stock_movements import NotEnoughStock
from service.relational.orders.place import Place
from service.relational.orders.repository import (
    BuyerUnknown,
    LineUnknown,
    MixedCurrencies,
    OrderNotFound,
    Orders,
    WrongState,
)
from service.relational.orders.schemas import OrderCreate, OrderQuery, OrderRead
from service.relational.orders.transitions import Steps
from service.stores.sql.route import SqlRoute
from service.web.conditional import IfMatch, Reply
from service.web.openapi import problems
from service.web.pagination import Page

router = APIRouter(prefix="/orders", tags=["orders"], route_class=SqlRoute)


@router.post(
    "",
    status_code=201,
    dependencies=[needs("orders:write")],
    responses=problems(NotEnoughStock, LineUnknown, MixedCurrencies, BuyerUnknown),
)
async def orders_create(order: OrderCreate, place: Place, reply: Reply) -> OrderRead:
    """Takes every line from the stock, at the prices of now; or nothing, and says which fall short.

    Send an Idempotency-Key: a repetition then orders nothing more.
    """
    made = await place.place(order)
    return reply.created(made, made.id)


@router.get("", dependencies=[needs("orders:read")], responses=problems())
async def orders_list(query: Annotated[OrderQuery, Query()], orders: Orders) -> Page[OrderRead]:
    return await orders.list(query)


@router.get(
    "/{order_id}",
    dependencies=[needs("orders:read")],
    responses=problems(OrderNotFound, cached=True),
)
async def orders_get(order_id: UUID, orders: Orders, reply: Reply) -> OrderRead:
    return reply.ok(await orders.get(order_id))


@router.post(
    "/{order_id}/pay",
    dependencies=[needs("orders:write")],
    responses=problems(OrderNotFound, WrongState, if_match=True),
)
async def orders_pay(order_id: UUID, steps: Steps, expected: IfMatch, reply: Reply) -> OrderRead:
    return reply.updated(await steps.pay(order_id, expected))


@router.post(
    "/{order_id}/fulfill",
    dependencies=[needs("orders:admin")],
    responses=problems(OrderNotFound, WrongState, if_match=True),
)
async def orders_fulfill(
    order_id: UUID, steps: Steps, expected: IfMatch, reply: Reply
) -> OrderRead:
    return reply.updated(await steps.fulfill(order_id, expected))


@router.post(
    "/{order_id}/cancel",
    dependencies=[needs("orders:write")],
    responses=problems(OrderNotFound, WrongState, if_match=True),
)
async def orders_cancel(order_id: UUID, steps: Steps, expected: IfMatch, reply: Reply) -> OrderRead:
    """Gives what it took back to the stock."""
    return reply.updated(await steps.cancel(order_id, expected))
