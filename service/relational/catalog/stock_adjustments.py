"""Stock adjustments: what came, what broke, what was counted."""

from typing import Annotated
from uuid import UUID

from sqlalchemy import select

from service.auth.caller import CurrentCaller
from service.relational.catalog.repository import ProductNotFound, Products
from service.relational.catalog.schemas import MovementQuery, MovementRead, ProductRead, StockAdjust
from service.relational.catalog.stock_movements import hold_products, move_stock
from service.relational.catalog.tables import StockMovement
from service.stores.sql.base import columns
from service.stores.sql.engine import SqlSession
from service.stores.sql.rows import Columns, filtered, sql_page
from service.web.context import provided
from service.web.pagination import Page, Paging

_COLUMNS = columns(
    StockMovement.id, StockMovement.product_id, StockMovement.change, StockMovement.stock_after,
    StockMovement.reason, StockMovement.note, StockMovement.order_id, StockMovement.user_id,
    StockMovement.created_at,
)  # fmt: skip
_FILTERED: Columns = {"created_at": StockMovement.created_at}


class StockKeeping:
    def __init__(
        self, session: SqlSession, paginator: Paging, products: Products, caller: CurrentCaller
    ) -> None:
        self._session, self._paginator, self._products = session, paginator, products
        self._user_id = caller.user_id

    async def adjust(self, product_id: UUID, adjust: StockAdjust) -> ProductRead:
        """The product with its new stock.

        Raises:
            ProductNotFound: there is none.
            NoMovement: the change is 0.
            NotEnoughStock: it would fall below 0.
        """
        if product_id not in await hold_products(self._session, [product_id]):
            raise ProductNotFound
        await move_stock(
            self._session,
            {product_id: adjust.change},
            adjust.reason,
            note=adjust.note,
            user_id=self._user_id,
        )
        return await self._products.get(product_id)

    async def list(self, product_id: UUID, query: MovementQuery) -> Page[MovementRead]:
        await self._products.get(product_id)
        statement = select(*_COLUMNS).where(StockMovement.product_id == product_id)
        statement = filtered(statement, query.filters(), _FILTERED)
        return await sql_page(
            self._session,
            statement,
            StockMovement,
            query,
            self._paginator,
            MovementRead.model_validate,
        )


Stock = Annotated[StockKeeping, provided(StockKeeping)]
