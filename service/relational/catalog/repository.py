"""Products in PostgreSQL."""

from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, cast, func, insert, select, update

from service.auth.caller import CurrentCaller
from service.core.errors import Conflict, NotFound, Refused
from service.relational.catalog.categories import Categories, subtree
from service.relational.catalog.schemas import (
    CategoryBrief,
    ProductCreate,
    ProductQuery,
    ProductRead,
    ProductUpdate,
)
from service.relational.catalog.stock_movements import hold_products, note_movements
from service.relational.catalog.tables import Category, Product
from service.stores.sql.base import columns
from service.stores.sql.engine import SqlSession
from service.stores.sql.rows import (
    AnySelect,
    Columns,
    change_row,
    filtered,
    quoted_words,
    sql_page,
    words_beginning_with,
)
from service.web.conditional import Expected
from service.web.context import provided
from service.web.pagination import Page, Paging
from service.web.schemas import changes


class ProductNotFound(NotFound):
    code, title = "product_not_found", "There is no such product"
    detail = "No product has this id, or it was deleted; POST …/restore brings a deleted one back."


class SkuTaken(Conflict):
    code, title, pointer = "sku_taken", "There is a product with this sku", "/sku"
    detail = "It may be a deleted one."
    constraints = "uq_products_sku"


class CategoryUnknown(Conflict):
    code, title, pointer = "category_unknown", "There is no such category", "/category_id"


class BadPrice(Refused):
    code, title = "price", "A price is not negative and has a currency of three letters"
    pointer, constraints = "/price", ("ck_products_price", "ck_products_currency")


class MovementOfNothing(NotFound):
    code, title = "product_not_found", "There is no such product"
    constraints = "fk_stock_movements_product_id"


COLUMNS = columns(
    Product.id, Product.sku, Product.name, Product.description, Product.price, Product.currency,
    Product.stock, Product.category_id, Product.version, Product.created_at, Product.updated_at,
    Product.deleted_at,
)  # fmt: skip
_FILTERED: Columns = {
    "price": Product.price,
    "currency": Product.currency,
    "created_at": Product.created_at,
}


class ProductRepository:
    """Everybody's: who may change them, the scope says."""

    def __init__(
        self, session: SqlSession, paginator: Paging, categories: Categories, caller: CurrentCaller
    ) -> None:
        self._session, self._paginator, self._categories = session, paginator, categories
        self._by = {"user_id": caller.user_id}

    async def get(self, product_id: UUID, expand: str | None = None) -> ProductRead:
        statement = _selected(expand).where(Product.id == product_id, is_deleted(False))
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise ProductNotFound
        return _read(row)

    async def list(self, query: ProductQuery) -> Page[ProductRead]:
        statement = _selected(query.expand).where(is_deleted(query.deleted))
        statement = filtered(statement, query.filters(), _FILTERED)
        if query.category_id is not None:
            # Read first: how many products a tree has is for the planner to know.
            within = list(await self._session.scalars(subtree(query.category_id)))
            statement = statement.where(Product.category_id == any_(cast(within, ARRAY(Uuid))))
        if query.in_stock is not None:
            statement = statement.where(Product.stock > 0 if query.in_stock else Product.stock == 0)
        if query.q is not None:
            statement = statement.where(words_beginning_with(Product.search, quoted_words(query.q)))
        return await sql_page(self._session, statement, Product, query, self._paginator, _read)

    async def add(self, product: ProductCreate) -> ProductRead:
        await self._hold_category(product.category_id)
        statement = insert(Product).values(**product.model_dump()).returning(*COLUMNS)
        made = _read((await self._session.execute(statement)).one())
        if made.stock:
            moved = {"product_id": made.id, "change": made.stock, "stock_after": made.stock}
            await note_movements(self._session, [moved], "initial", **self._by)
        return made

    async def change(
        self, product_id: UUID, change: ProductUpdate, expected: Expected
    ) -> ProductRead:
        values = changes(change)
        await self._hold_category(values.get("category_id"))
        held = await hold_products(self._session, [product_id]) if "stock" in values else {}
        where = (Product.id == product_id) & is_deleted(False)
        await change_row(self._session, Product, where, values, expected, ProductNotFound)
        after = await self.get(product_id)
        by = after.stock - held[product_id].stock if held else 0
        if by:
            moved = {"product_id": product_id, "change": by, "stock_after": after.stock}
            await note_movements(self._session, [moved], "counted", **self._by)
        return after

    async def remove(self, product_id: UUID, expected: Expected) -> None:
        where, values = (Product.id == product_id) & is_deleted(False), {"deleted_at": func.now()}
        await change_row(self._session, Product, where, values, expected, ProductNotFound)

    async def restore(self, product_id: UUID) -> ProductRead:
        """Brings a deleted product back; one that was not deleted stays as it is."""
        statement = (
            update(Product)
            .where(Product.id == product_id, is_deleted(True))
            .values(deleted_at=None, version=Product.version + 1)
        )
        await self._session.execute(statement)
        return await self.get(product_id)

    async def _hold_category(self, category_id: UUID | None) -> None:
        if category_id is not None and not await self._categories.hold(category_id):
            raise CategoryUnknown


def is_deleted(deleted: bool) -> ColumnElement[bool]:
    return Product.deleted_at.is_not(None) if deleted else Product.deleted_at.is_(None)


def _selected(expand: str | None) -> AnySelect:
    if expand is None:
        return select(*COLUMNS)
    name = Category.name.label("category_name")
    return select(*COLUMNS, name).outerjoin(Category, Category.id == Product.category_id)


def _read(row: Any) -> ProductRead:
    found = dict(row._mapping)
    if "category_name" in found:
        name = found.pop("category_name")
        nested = None if name is None else CategoryBrief(id=found["category_id"], name=name)
        found["category"] = nested
    return ProductRead(**found)


Products = Annotated[ProductRepository, provided(ProductRepository)]
