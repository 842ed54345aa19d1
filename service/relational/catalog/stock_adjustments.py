"""Adjustments of stock by people: deliveries, returns, damage and counts."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from service.relational.catalog.repository import ProductNotFound, ProductRepository
from service.relational.catalog.schemas import MovementQuery, MovementRead, ProductRead, StockAdjust
from service.relational.catalog.stock_movements import lock_products, move_stock
from service.relational.catalog.tables import StockMovement
from service.stores.sql.context import SqlContext, SqlService
from service.stores.sql.lists.listing import SqlListing, projection
from service.web.lists.pagination import Page

MOVEMENTS = SqlListing(
    StockMovement,
    MovementQuery,
    projection(StockMovement, MovementRead),
    schema=MovementRead,
    filters={"created_at": StockMovement.created_at},
)


class StockAdjustments(SqlService):
    def __init__(self, context: SqlContext) -> None:
        super().__init__(context)
        self._products = ProductRepository(context)

    async def adjust(self, product_id: UUID, adjust: StockAdjust) -> ProductRead:
        """Return the product with its new stock.

        Raises:
            ProductNotFound: the product does not exist.
            NoMovement: the change is 0.
            NotEnoughStock: the stock would fall below 0.
        """
        if product_id not in await lock_products(self._session, [product_id]):
            raise ProductNotFound
        await move_stock(
            self._session,
            {product_id: adjust.change},
            adjust.reason,
            note=adjust.note,
            user_id=self._caller.user_id,
        )
        return await self._products.get(product_id)

    async def list_movements(self, product_id: UUID, query: MovementQuery) -> Page[MovementRead]:
        await self._products.get(product_id)
        is_of_product = StockMovement.product_id == product_id
        read = MovementRead.model_validate
        return await MOVEMENTS.page(self._session, query, self._paginator, read, is_of_product)


StockAdjustmentsDep = Annotated[StockAdjustments, Depends(StockAdjustments.from_request)]
