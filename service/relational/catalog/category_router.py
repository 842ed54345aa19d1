"""Routes of categories."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from service.auth.caller import needs
from service.relational.catalog.categories import (
    Categories,
    CategoryCircle,
    CategoryInUse,
    CategoryNameTaken,
    CategoryNotFound,
    ParentUnknown,
)
from service.relational.catalog.schemas import (
    CategoryCreate,
    CategoryQuery,
    CategoryRead,
    CategoryUpdate,
)
from service.stores.sql.route import SqlRoute
from service.web.conditional import IfMatch, Reply
from service.web.lists.pagination import Page
from service.web.openapi import problems

router = APIRouter(prefix="/categories", tags=["catalog"], route_class=SqlRoute)
READS, WRITES = needs("catalog:read"), needs("catalog:write")


@router.post(
    "",
    status_code=201,
    dependencies=[WRITES],
    responses=problems(CategoryNameTaken, ParentUnknown),
)
async def categories_create(
    category: CategoryCreate, categories: Categories, reply: Reply
) -> CategoryRead:
    """Add a category, at the top of the tree or below another."""
    made = await categories.add(category)
    return reply.created(made, made.id)


@router.get("", dependencies=[READS], responses=problems())
async def categories_list(
    query: Annotated[CategoryQuery, Query()], categories: Categories
) -> Page[CategoryRead]:
    """List categories by name."""
    return await categories.list(query)


@router.get(
    "/{category_id}",
    dependencies=[READS],
    responses=problems(CategoryNotFound, cached=True),
)
async def categories_get(category_id: UUID, categories: Categories, reply: Reply) -> CategoryRead:
    """Return one category."""
    return reply.ok(await categories.get(category_id))


@router.patch(
    "/{category_id}",
    dependencies=[WRITES],
    responses=problems(
        CategoryNotFound, CategoryNameTaken, ParentUnknown, CategoryCircle, if_match=True
    ),
)
async def categories_update(
    category_id: UUID,
    change: CategoryUpdate,
    categories: Categories,
    expected: IfMatch,
    reply: Reply,
) -> CategoryRead:
    """Change a category, or move it with all categories below it."""
    return reply.updated(await categories.change(category_id, change, expected))


@router.delete(
    "/{category_id}",
    status_code=204,
    dependencies=[WRITES],
    responses=problems(CategoryNotFound, CategoryInUse, if_match=True),
)
async def categories_delete(category_id: UUID, categories: Categories, expected: IfMatch) -> None:
    """Delete a category that has no products and no subcategories."""
    await categories.remove(category_id, expected)
