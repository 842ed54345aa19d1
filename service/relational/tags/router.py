"""Routes of tags."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response

from service.auth.caller import needs
from service.relational.tags.repository import TagNameTaken, TagNotFound, Tags
from service.relational.tags.schemas import (
    TagCreate,
    TagQuery,
    TagRead,
    TagsPut,
    TagsRead,
    TagUpdate,
)
from service.stores.sql.route import SqlRoute
from service.web.bulk import Bulk, BulkItems, bulk_problems
from service.web.conditional import IfMatch, Reply
from service.web.lists.pagination import Page
from service.web.openapi import problems

router = APIRouter(prefix="/tags", tags=["tags"], route_class=SqlRoute)


@router.post(
    "",
    status_code=201,
    dependencies=[needs("tags:write")],
    responses={200: {"model": TagRead, "description": "The tag was there."}, **problems()},
)
async def tags_create(tag: TagCreate, tags: Tags, reply: Reply) -> TagRead:
    """Create the tag (201), or return the tag that has this name in any case (200)."""
    found, is_new = await tags.put(tag)
    return reply.created(found, found.id) if is_new else reply.existing(found, found.id)


@router.post(
    "/bulk",
    response_model=TagsRead,
    dependencies=[needs("tags:write")],
    responses=bulk_problems(),
)
async def tags_put_bulk(body: TagsPut, query: Bulk, tags: Tags) -> Response:
    """Create the missing tags (201 with `atomic=false`) and return all, as POST of one tag does."""
    batch = BulkItems(body.items, query)
    found, made = await tags.put_all(batch)
    return await batch.answer(found, created=made)


@router.get("", dependencies=[needs("tags:read")], responses=problems())
async def tags_list(query: Annotated[TagQuery, Query()], tags: Tags) -> Page[TagRead]:
    """List tags by name."""
    return await tags.list(query)


@router.get(
    "/{tag_id}",
    dependencies=[needs("tags:read")],
    responses=problems(TagNotFound, cached=True),
)
async def tags_get(tag_id: UUID, tags: Tags, reply: Reply) -> TagRead:
    """Return one tag."""
    return reply.ok(await tags.get(tag_id))


@router.patch(
    "/{tag_id}",
    dependencies=[needs("tags:write")],
    responses=problems(TagNotFound, TagNameTaken, if_match=True),
)
async def tags_update(
    tag_id: UUID, change: TagUpdate, tags: Tags, expected: IfMatch, reply: Reply
) -> TagRead:
    """Rename a tag, on all posts that have it."""
    return reply.updated(await tags.change(tag_id, change, expected))


@router.delete(
    "/{tag_id}",
    status_code=204,
    dependencies=[needs("tags:write")],
    responses=problems(TagNotFound, if_match=True),
)
async def tags_delete(tag_id: UUID, tags: Tags, expected: IfMatch) -> None:
    """Delete the tag, also from every post."""
    await tags.remove(tag_id, expected)
