"""Categories in PostgreSQL."""

from collections.abc import Iterable
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.core.errors import Conflict, NotFound
from service.relational.catalog.schemas import (
    CategoryCreate,
    CategoryQuery,
    CategoryRead,
    CategoryUpdate,
)
from service.relational.catalog.tables import Category
from service.stores.sql.bulk import any_of
from service.stores.sql.lists.listing import SqlListing, projection
from service.stores.sql.repository import SqlRepository
from service.web.conditional import Expected
from service.web.schemas import changes


class CategoryNotFound(NotFound):
    code, title = "category_not_found", "Category does not exist"


class CategoryNameTaken(Conflict):
    code, title, pointer = "category_name_taken", "Category name already taken", "/name"
    detail = "Choose another name; it must be unique below one parent, whatever the case."
    constraints = "uq_categories_name"


class CategoryInUse(Conflict):
    code = "category_in_use"
    title = "The category still has products or subcategories, or does not exist"
    detail = "Move or delete what is below the category first, or name a category that exists."
    constraints = ("fk_categories_parent_id", "fk_products_category_id")


class ParentUnknown(Conflict):
    code, title, pointer = "parent_unknown", "Parent category does not exist", "/parent_id"


class CategoryCircle(Conflict):
    code, title, pointer = "category_circle", "Category cannot be below itself", "/parent_id"
    detail = "Choose a parent that is not below this category."
    constraints = "ck_categories_circle"


class CategoryRepository(SqlRepository[CategoryRead]):
    """Everybody sees all categories; the scopes decide who may change them."""

    table, schema, missing = Category, CategoryRead, CategoryNotFound
    listing = SqlListing(
        Category,
        CategoryQuery,
        projection(Category, CategoryRead),
        schema=CategoryRead,
        filters={"parent_id": Category.parent_id, "name": Category.name},
    )

    async def add(self, category: CategoryCreate) -> CategoryRead:
        await self._lock_parent(category.parent_id)
        return await self._insert(category.model_dump())

    async def change(
        self, category_id: UUID, change: CategoryUpdate, expected: Expected
    ) -> CategoryRead:
        values = changes(change)
        await self._lock_parent(values.get("parent_id"))
        await self._change(self._is(category_id), values, expected)
        return await self.get(category_id)

    async def _lock_parent(self, parent_id: UUID | None) -> None:
        if parent_id is not None and not await lock_categories(self._session, [parent_id]):
            raise ParentUnknown


async def lock_categories(session: AsyncSession, category_ids: Iterable[UUID]) -> set[UUID]:
    """Lock categories until the transaction ends; return the ids that exist."""
    if not (wanted := set(category_ids)):
        return set()
    locked = select(Category.id).where(any_of(Category.id, wanted)).order_by(Category.id)
    return set(await session.scalars(locked.with_for_update(read=True, key_share=True)))


def subtree(category_id: UUID) -> Select[UUID]:
    """Return the query of the ids of a category and all categories below it."""
    top = select(Category.id).where(Category.id == category_id).cte("subtree", recursive=True)
    below = select(Category.id).join(top, Category.parent_id == top.c.id)
    whole = top.union_all(below)
    return select(whole.c.id)


Categories = Annotated[CategoryRepository, Depends(CategoryRepository.from_request)]
