"""Orders in PostgreSQL."""

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import ColumnElement, select

from service.auth.caller import CurrentCaller
from service.core.errors import Conflict, NotFound, Refused
from service.relational.orders.schemas import OrderLineRead, OrderQuery, OrderRead
from service.relational.orders.tables import Order, OrderLine
from service.stores.sql.base import columns
from service.stores.sql.engine import SqlSession
from service.stores.sql.rows import Columns, filtered, owned_by, sql_page
from service.web.context import provided
from service.web.pagination import Page, Paging


class OrderNotFound(NotFound):
    code, title = "order_not_found", "There is no such order"


class BuyerUnknown(Conflict):
    code, title, pointer = "buyer_unknown", "There is no such user", "/user_id"
    constraints = "fk_orders_user_id"


class LineUnknown(Conflict):
    code, title = "product_unknown", "Some products are not there"
    detail = "Nothing was ordered; errors names each line."
    constraints = ("fk_order_lines_product_id", "fk_order_lines_order_id")


class MixedCurrencies(Conflict):
    code, title = "mixed_currencies", "The products have prices in several currencies"
    detail = "Order those of one currency at a time."


class WrongState(Conflict):
    code, title = "wrong_state", "The order has come too far, or not far enough"
    constraints = ("ck_orders_state", "ck_orders_steps")


class BadOrder(Refused):
    code, title = "bad_order", "Quantities are positive, and so is the total"
    constraints = ("ck_orders_total", "ck_order_lines_quantity")


COLUMNS = columns(
    Order.id, Order.user_id, Order.state, Order.currency, Order.total, Order.version,
    Order.created_at, Order.updated_at, Order.paid_at, Order.fulfilled_at, Order.cancelled_at,
)  # fmt: skip
_LINE = (
    OrderLine.order_id, OrderLine.product_id, OrderLine.sku, OrderLine.name, OrderLine.quantity,
    OrderLine.price, (OrderLine.price * OrderLine.quantity).label("amount"),
)  # fmt: skip
_FILTERED: Columns = {
    "user_id": Order.user_id,
    "state": Order.state,
    "created_at": Order.created_at,
}


class OrderRepository:
    """Whoever lacks ``orders:admin`` sees and changes their own orders alone."""

    def __init__(self, session: SqlSession, paginator: Paging, caller: CurrentCaller) -> None:
        self._session, self._paginator, self._caller = session, paginator, caller

    async def get(self, order_id: UUID) -> OrderRead:
        statement = select(*COLUMNS).where(Order.id == order_id, self.seen())
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise OrderNotFound
        return (await self._with_lines([row]))[0]

    async def list(self, query: OrderQuery) -> Page[OrderRead]:
        statement = filtered(select(*COLUMNS).where(self.seen()), query.filters(), _FILTERED)
        page = await sql_page(
            self._session, statement, Order, query, self._paginator, lambda row: row
        )
        return Page[OrderRead](
            items=list(await self._with_lines(page.items)), page=page.page, total=page.total
        )

    def seen(self) -> ColumnElement[bool]:
        """The base of every query: what the caller may see."""
        return owned_by(self._caller, Order.user_id, unless="orders:admin")

    async def _with_lines(self, rows: Sequence[Any]) -> Sequence[OrderRead]:
        """The lines of all of them in one statement."""
        statement = (
            select(*_LINE)
            .where(OrderLine.order_id.in_([row.id for row in rows]))
            .order_by(OrderLine.order_id, OrderLine.place)
        )
        found = (await self._session.execute(statement)).all()
        lines = {
            order_id: [OrderLineRead.model_validate(line) for line in group]
            for order_id, group in groupby(found, attrgetter("order_id"))
        }
        return [OrderRead(**row._mapping, lines=lines.get(row.id, [])) for row in rows]


Orders = Annotated[OrderRepository, provided(OrderRepository)]
