"""Products in PostgreSQL."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends
from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, func, update
from sqlalchemy.orm import joinedload
from sqlalchemy.sql.base import ExecutableOption

from service.core.errors import Conflict, NotFound, Refused
from service.relational.catalog.categories import lock_categories, subtree
from service.relational.catalog.schemas import (
    ProductCreate,
    ProductQuery,
    ProductRead,
    ProductUpdate,
    Reason,
)
from service.relational.catalog.stock_movements import lock_products, record_stocks
from service.relational.catalog.tables import Product
from service.stores.sql.fast_read import Projection
from service.stores.sql.lists.filters import CustomFilter, has_parts
from service.stores.sql.lists.listing import SqlListing, projection
from service.stores.sql.repository import SqlRepository
from service.web.conditional import Expected
from service.web.lists.pagination import Page
from service.web.schemas import changes


class ProductNotFound(NotFound):
    code, title = "product_not_found", "Product does not exist"
    detail = "Check the id; restore a deleted product with POST …/restore."


class SkuTaken(Conflict):
    code, title, pointer = "sku_taken", "Sku already taken", "/sku"
    detail = "Choose another sku; a deleted product keeps its own."
    constraints = "uq_products_sku"


class CategoryUnknown(Conflict):
    code, title, pointer = "category_unknown", "Category does not exist", "/category_id"


class BadPrice(Refused):
    code = "price"
    title = "Price must not be negative, and its currency must be three capital letters"
    pointer, constraints = "/price", ("ck_products_price", "ck_products_currency")


class MovedProductNotFound(ProductNotFound):
    constraints = "fk_stock_movements_product_id"


def is_deleted(deleted: bool) -> ColumnElement[bool]:
    """Return the condition of deleted products, or of the others."""
    return Product.deleted_at.is_not(None) if deleted else Product.deleted_at.is_(None)


def _listing(shown: Projection | None = None, **options: ExecutableOption) -> SqlListing:
    """Return the list of products; the value of its filter ``category_id`` is an array of ids."""
    return SqlListing(
        Product,
        ProductQuery,
        shown,
        filters={
            "sku": func.lower(Product.sku),
            "name": Product.name,
            "category_id": Product.category_id,
            "price": Product.price,
            "currency": Product.currency,
            "created_at": Product.created_at,
        },
        custom={
            "category_id": CustomFilter(lambda ids: Product.category_id == any_(ids), ARRAY(Uuid)),
            "q": has_parts(Product.search, Product.sku, Product.name, Product.description),
        },
        elsewhere=["in_stock", "deleted"],
        schema=ProductRead,
        options=options,
    )


class ProductRepository(SqlRepository[ProductRead]):
    """Everybody sees all products; the scopes decide who may change them."""

    table, schema, missing = Product, ProductRead, ProductNotFound
    listing = _listing(projection(Product, ProductRead, without=["category"]))
    with_category = _listing(None, category=joinedload(Product.category))

    def visible(self) -> ColumnElement[bool]:
        return is_deleted(False)

    async def get(self, key: UUID, expand: str | None = None) -> ProductRead:
        """Return one product; ``expand="category"`` nests its category."""
        if expand is None:
            return await super().get(key)
        statement = self.with_category.select().where(self._is(key), self.visible())
        product = await self._session.scalar(statement)
        if product is None:
            raise ProductNotFound
        return self.read(product)

    async def list_products(self, query: ProductQuery) -> Page[ProductRead]:
        """Return a page of products, or of deleted products if the query asks for them."""
        listing = self.listing if query.expand is None else self.with_category
        conditions, values = [is_deleted(query.deleted)], {}
        if query.in_stock is not None:
            conditions.append(Product.stock > 0 if query.in_stock else Product.stock == 0)
        if query.category_id is not None:
            # Read first, because the planner must know how many products the subtree has.
            ids = await self._session.scalars(subtree(query.category_id))
            values["category_id"] = ids.all()
        return await listing.page(
            self._session, query, self._paginator, self.read, *conditions, **values
        )

    async def add(self, product: ProductCreate) -> ProductRead:
        await self._lock_category(product.category_id)
        created = await self._insert(product.model_dump())
        await self._record_stock(created, 0, "initial")
        return created

    async def change(
        self, product_id: UUID, change: ProductUpdate, expected: Expected
    ) -> ProductRead:
        values = changes(change)
        await self._lock_category(values.get("category_id"))
        locked = await lock_products(self._session, [product_id]) if "stock" in values else {}
        await self._change(self._is(product_id), values, expected)
        after = await self.get(product_id)
        if locked:
            await self._record_stock(after, locked[product_id].stock, "counted")
        return after

    async def remove(self, key: UUID, expected: Expected) -> None:
        """Mark the product as deleted."""
        await self._change(self._is(key), {"deleted_at": func.now()}, expected)

    async def restore(self, product_id: UUID) -> ProductRead:
        """Restore a deleted product; any other stays as it is."""
        statement = (
            update(Product)
            .where(self._is(product_id), is_deleted(True))
            .values(deleted_at=None, version=Product.version + 1)
        )
        await self._session.execute(statement)
        return await self.get(product_id)

    async def _record_stock(self, product: ProductRead, before: int, reason: Reason) -> None:
        stocks = {product.id: (before, product.stock)}
        await record_stocks(self._session, stocks, reason, self._caller.user_id)

    async def _lock_category(self, category_id: UUID | None) -> None:
        if category_id is not None and not await lock_categories(self._session, [category_id]):
            raise CategoryUnknown


Products = Annotated[ProductRepository, Depends(ProductRepository.from_request)]
