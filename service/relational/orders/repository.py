"""Orders in PostgreSQL."""

from typing import Annotated

from fastapi import Depends
from sqlalchemy import ColumnElement
from sqlalchemy.orm import selectinload

from service.core.errors import Conflict, NotFound, Refused
from service.relational.orders.schemas import OrderQuery, OrderRead
from service.relational.orders.tables import Order
from service.stores.sql.lists.listing import SqlListing
from service.stores.sql.repository import SqlRepository


class OrderNotFound(NotFound):
    code, title = "order_not_found", "Order does not exist"


class BuyerUnknown(Conflict):
    code, title, pointer = "buyer_unknown", "Buyer does not exist", "/user_id"
    constraints = "fk_orders_user_id"


class ProductUnknown(Conflict):
    code, title = "product_unknown", "Some products do not exist"
    detail = "Remove the lines that errors names; nothing was ordered."
    constraints = ("fk_order_lines_product_id", "fk_order_lines_order_id")


class MixedCurrencies(Conflict):
    code, title = "mixed_currencies", "Products have prices in several currencies"
    detail = "Order products of one currency at a time."


class WrongState(Conflict):
    code, title = "wrong_state", "The order's state does not allow this"
    constraints = ("ck_orders_state", "ck_orders_steps")


class BadOrder(Refused):
    code, title = "bad_order", "Quantities must be positive and the total must not be negative"
    constraints = ("ck_orders_total", "ck_order_lines_quantity")


class OrderRepository(SqlRepository[OrderRead]):
    """A caller without ``orders:admin`` sees and changes their own orders alone."""

    table, schema, missing = Order, OrderRead, OrderNotFound
    listing = SqlListing(
        Order,
        OrderQuery,
        filters={"user_id": Order.user_id, "state": Order.state, "created_at": Order.created_at},
        schema=OrderRead,
        options={"lines": selectinload(Order.lines)},
    )

    def visible(self) -> ColumnElement[bool]:
        return self.owned_by_caller(Order.user_id, unless="orders:admin")


Orders = Annotated[OrderRepository, Depends(OrderRepository.from_request)]
