"""Categories in PostgreSQL."""

from collections.abc import Iterable
from typing import Annotated
from uuid import UUID

from sqlalchemy import Select, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.core.errors import Conflict, NotFound
from service.relational.catalog.schemas import (
    CategoryCreate,
    CategoryQuery,
    CategoryRead,
    CategoryUpdate,
)
from service.relational.catalog.tables import Category
from service.stores.sql.base import columns
from service.stores.sql.bulk import any_of
from service.stores.sql.engine import SqlSession
from service.stores.sql.rows import Columns, change_row, filtered, remove_row, sql_page
from service.web.conditional import Expected
from service.web.context import provided
from service.web.pagination import Page, Paging
from service.web.schemas import changes


class CategoryNotFound(NotFound):
    code, title = "category_not_found", "There is no such category"


class CategoryNameTaken(Conflict):
    code, title, pointer = "category_name_taken", "There is a category of this name here", "/name"
    constraints = "uq_categories_name"


class CategoryInUse(Conflict):
    code, title = "category_in_use", "Products or categories hang on it, or it is not there"
    detail = "Move or delete what is below it first; a category that is named must exist."
    constraints = ("fk_categories_parent_id", "fk_products_category_id")


class ParentUnknown(Conflict):
    code, title, pointer = "parent_unknown", "There is no category with this id", "/parent_id"


class CategoryCircle(Conflict):
    code, title, pointer = "category_circle", "It would be below itself", "/parent_id"
    detail = "Move it below a category that is not below it."
    constraints = "ck_categories_circle"


_COLUMNS = columns(
    Category.id, Category.name, Category.description, Category.parent_id, Category.version,
    Category.created_at, Category.updated_at,
)  # fmt: skip
_FILTERED: Columns = {"parent_id": Category.parent_id}


class CategoryRepository:
    """Everybody's: who may change them, the scope says."""

    def __init__(self, session: SqlSession, paginator: Paging) -> None:
        self._session, self._paginator = session, paginator

    async def get(self, category_id: UUID) -> CategoryRead:
        found = await self._session.execute(select(*_COLUMNS).where(Category.id == category_id))
        row = found.one_or_none()
        if row is None:
            raise CategoryNotFound
        return CategoryRead.model_validate(row)

    async def list(self, query: CategoryQuery) -> Page[CategoryRead]:
        statement = filtered(select(*_COLUMNS), query.filters(), _FILTERED)
        return await sql_page(
            self._session, statement, Category, query, self._paginator, CategoryRead.model_validate
        )

    async def add(self, category: CategoryCreate) -> CategoryRead:
        await self._hold_parent(category.parent_id)
        statement = insert(Category).values(**category.model_dump()).returning(*_COLUMNS)
        return CategoryRead.model_validate((await self._session.execute(statement)).one())

    async def change(
        self, category_id: UUID, change: CategoryUpdate, expected: Expected
    ) -> CategoryRead:
        values = changes(change)
        await self._hold_parent(values.get("parent_id"))
        where = Category.id == category_id
        await change_row(self._session, Category, where, values, expected, CategoryNotFound)
        return await self.get(category_id)

    async def remove(self, category_id: UUID, expected: Expected) -> None:
        where = Category.id == category_id
        await remove_row(self._session, Category, where, expected, CategoryNotFound)

    async def hold(self, category_id: UUID) -> bool:
        """Whether there is such a category; there will be until the transaction ends."""
        there = select(Category.id).where(Category.id == category_id)
        held = there.with_for_update(read=True, key_share=True)
        return await self._session.scalar(held) is not None

    async def _hold_parent(self, parent_id: UUID | None) -> None:
        if parent_id is not None and not await self.hold(parent_id):
            raise ParentUnknown


async def hold_categories(session: AsyncSession, category_ids: Iterable[UUID]) -> set[UUID]:
    """Those that are there; they will be until the transaction ends."""
    if not (wanted := set(category_ids)):
        return set()
    held = select(Category.id).where(any_of(Category.id, wanted)).order_by(Category.id)
    return set(await session.scalars(held.with_for_update(read=True, key_share=True)))


def subtree(category_id: UUID) -> Select[UUID]:
    """The ids of a category and of all that is below it."""
    top = select(Category.id).where(Category.id == category_id).cte("subtree", recursive=True)
    below = select(Category.id).join(top, Category.parent_id == top.c.id)
    whole = top.union_all(below)
    return select(whole.c.id)


Categories = Annotated[CategoryRepository, provided(CategoryRepository)]
