"""Routes of bulk changes of products."""

from fastapi import APIRouter
from fastapi.responses import Response

from service.auth.caller import needs
from service.core.errors import PreconditionFailed
from service.relational.catalog.bulk import ProductBulkDep
from service.relational.catalog.repository import (
    BadPrice,
    CategoryUnknown,
    ProductNotFound,
    SkuTaken,
)
from service.relational.catalog.schemas import (
    ProductsCreate,
    ProductsDelete,
    ProductsRead,
    ProductsUpdate,
)
from service.stores.sql.route import SqlRoute
from service.web.bulk import Bulk, BulkItems, DuplicateItem, ItemsDone, bulk_problems

router = APIRouter(prefix="/products/bulk", tags=["catalog"], route_class=SqlRoute)
WRITES = needs("catalog:write")


@router.post(
    "",
    status_code=201,
    response_model=ProductsRead,
    dependencies=[WRITES],
    responses=bulk_problems(SkuTaken, CategoryUnknown, BadPrice),
)
async def products_create_bulk(
    body: ProductsCreate, query: Bulk, products: ProductBulkDep
) -> Response:
    """Create all products or none; with `atomic=false` all that are valid."""
    batch = BulkItems(body.items, query)
    return await batch.answer(await products.add_all(batch), 201)


@router.patch(
    "",
    response_model=ProductsRead,
    dependencies=[WRITES],
    responses=bulk_problems(
        ProductNotFound, SkuTaken, CategoryUnknown, BadPrice, PreconditionFailed, DuplicateItem
    ),
)
async def products_update_bulk(
    body: ProductsUpdate, query: Bulk, products: ProductBulkDep
) -> Response:
    """Change each product by a merge patch; a ``version`` guards its item as If-Match does."""
    batch = BulkItems(body.items, query)
    return await batch.answer(await products.change_all(batch))


@router.put(
    "",
    response_model=ItemsDone,
    dependencies=[WRITES],
    responses=bulk_problems(CategoryUnknown, BadPrice, DuplicateItem),
)
async def products_put_bulk(
    body: ProductsCreate, query: Bulk, products: ProductBulkDep
) -> Response:
    """Create products whose sku is new (201) and change the others (200), as import does."""
    batch = BulkItems(body.items, query)
    return await batch.answer(await products.put_all(batch))


@router.post(
    "/delete",
    status_code=204,
    dependencies=[WRITES],
    responses=bulk_problems(ProductNotFound),
)
async def products_delete_bulk(
    body: ProductsDelete, query: Bulk, products: ProductBulkDep
) -> Response:
    """Delete products; each can be restored."""
    batch = BulkItems(body.items, query)
    return await batch.answer(await products.remove_all(batch), 204)
