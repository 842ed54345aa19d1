"""Routes of orders."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from service.auth.caller import needs
from service.relational.catalog.stock_movements import NotEnoughStock
from service.relational.orders.place import OrderPlacementDep
from service.relational.orders.repository import (
    BuyerUnknown,
    MixedCurrencies,
    OrderNotFound,
    Orders,
    ProductUnknown,
    WrongState,
)
from service.relational.orders.schemas import OrderCreate, OrderQuery, OrderRead
from service.relational.orders.transitions import OrderTransitionsDep
from service.stores.sql.route import SqlRoute
from service.web.conditional import IfMatch, Reply
from service.web.lists.pagination import Page
from service.web.openapi import problems

router = APIRouter(prefix="/orders", tags=["orders"], route_class=SqlRoute)


@router.post(
    "",
    status_code=201,
    dependencies=[needs("orders:write")],
    responses=problems(NotEnoughStock, ProductUnknown, MixedCurrencies, BuyerUnknown),
)
async def orders_create(
    order: OrderCreate, placement: OrderPlacementDep, reply: Reply
) -> OrderRead:
    """Place an order.

    Take all lines from the stock at current prices, or nothing; `errors` names the short lines.
    Send an Idempotency-Key, so that a repeated request orders nothing more.
    """
    made = await placement.place(order)
    return reply.created(made, made.id)


@router.get("", dependencies=[needs("orders:read")], responses=problems())
async def orders_list(query: Annotated[OrderQuery, Query()], orders: Orders) -> Page[OrderRead]:
    """List your orders."""
    return await orders.list(query)


@router.get(
    "/{order_id}",
    dependencies=[needs("orders:read")],
    responses=problems(OrderNotFound, cached=True),
)
async def orders_get(order_id: UUID, orders: Orders, reply: Reply) -> OrderRead:
    """Return one order with its lines."""
    return reply.ok(await orders.get(order_id))


@router.post(
    "/{order_id}/pay",
    dependencies=[needs("orders:admin")],
    responses=problems(OrderNotFound, WrongState, if_match=True),
)
async def orders_pay(
    order_id: UUID, transitions: OrderTransitionsDep, expected: IfMatch, reply: Reply
) -> OrderRead:
    """Note that the order was paid; its buyer cannot say so."""
    return reply.updated(await transitions.pay(order_id, expected))


@router.post(
    "/{order_id}/fulfill",
    dependencies=[needs("orders:admin")],
    responses=problems(OrderNotFound, WrongState, if_match=True),
)
async def orders_fulfill(
    order_id: UUID, transitions: OrderTransitionsDep, expected: IfMatch, reply: Reply
) -> OrderRead:
    """Mark a paid order as delivered."""
    return reply.updated(await transitions.fulfill(order_id, expected))


@router.post(
    "/{order_id}/cancel",
    dependencies=[needs("orders:write")],
    responses=problems(OrderNotFound, WrongState, if_match=True),
)
async def orders_cancel(
    order_id: UUID, transitions: OrderTransitionsDep, expected: IfMatch, reply: Reply
) -> OrderRead:
    """Cancel the order and return its quantities to the stock."""
    return reply.updated(await transitions.cancel(order_id, expected))
