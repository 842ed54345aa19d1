"""Routes of products."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from service.auth.caller import needs
from service.relational.catalog.repository import (
    BadPrice,
    CategoryUnknown,
    ProductNotFound,
    Products,
    SkuTaken,
)
from service.relational.catalog.schemas import (
    MovementQuery,
    MovementRead,
    ProductCreate,
    ProductExpand,
    ProductQuery,
    ProductRead,
    ProductUpdate,
    StockAdjust,
)
from service.relational.catalog.stock_adjustments import StockAdjustmentsDep
from service.relational.catalog.stock_movements import NoMovement, NotEnoughStock
from service.stores.sql.route import SqlRoute
from service.web.conditional import IfMatch, Reply
from service.web.lists.pagination import Page
from service.web.openapi import problems

router = APIRouter(prefix="/products", tags=["catalog"], route_class=SqlRoute)
READS, WRITES = needs("catalog:read"), needs("catalog:write")


@router.post(
    "",
    status_code=201,
    dependencies=[WRITES],
    responses=problems(SkuTaken, CategoryUnknown, BadPrice),
)
async def products_create(product: ProductCreate, products: Products, reply: Reply) -> ProductRead:
    """Add a product; its `stock` is its first movement."""
    made = await products.add(product)
    return reply.created(made, made.id)


@router.get("", dependencies=[READS], responses=problems())
async def products_list(
    query: Annotated[ProductQuery, Query()], products: Products
) -> Page[ProductRead]:
    """List products."""
    return await products.list_products(query)


@router.get(
    "/{product_id}",
    dependencies=[READS],
    responses=problems(ProductNotFound, cached=True),
)
async def products_get(
    product_id: UUID, query: Annotated[ProductExpand, Query()], products: Products, reply: Reply
) -> ProductRead:
    """Return one product."""
    return reply.ok(await products.get(product_id, query.expand))


@router.patch(
    "/{product_id}",
    dependencies=[WRITES],
    responses=problems(ProductNotFound, SkuTaken, CategoryUnknown, BadPrice, if_match=True),
)
async def products_update(
    product_id: UUID,
    change: ProductUpdate,
    products: Products,
    expected: IfMatch,
    reply: Reply,
) -> ProductRead:
    """Change some fields of a product."""
    return reply.updated(await products.change(product_id, change, expected))


@router.delete(
    "/{product_id}",
    status_code=204,
    dependencies=[WRITES],
    responses=problems(ProductNotFound, if_match=True),
)
async def products_delete(product_id: UUID, products: Products, expected: IfMatch) -> None:
    """Delete the product; it can be restored."""
    await products.remove(product_id, expected)


@router.post("/{product_id}/restore", dependencies=[WRITES], responses=problems(ProductNotFound))
async def products_restore(product_id: UUID, products: Products, reply: Reply) -> ProductRead:
    """Bring a deleted product back."""
    return reply.updated(await products.restore(product_id))


@router.post(
    "/{product_id}/stock_adjustments",
    dependencies=[WRITES],
    responses=problems(ProductNotFound, NotEnoughStock, NoMovement),
)
async def products_adjust_stock(
    product_id: UUID, adjust: StockAdjust, stock: StockAdjustmentsDep, reply: Reply
) -> ProductRead:
    """Add to the stock or take from it, for a reason; return the product with its new stock."""
    return reply.updated(await stock.adjust(product_id, adjust))


@router.get(
    "/{product_id}/stock_movements",
    dependencies=[READS],
    responses=problems(ProductNotFound),
)
async def products_list_movements(
    product_id: UUID, query: Annotated[MovementQuery, Query()], stock: StockAdjustmentsDep
) -> Page[MovementRead]:
    """List the changes of the stock, newest first."""
    return await stock.list_movements(product_id, query)
