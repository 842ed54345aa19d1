"""Routes of comments."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from service.auth.caller import needs
from service.relational.posts.comment_schemas import (
    CommentCreate,
    CommentQuery,
    CommentRead,
    CommentUpdate,
)
from service.relational.posts.comments import CommentNotFound, Comments
from service.relational.posts.repository import AuthorUnknown, PostNotFound
from service.stores.sql.route import SqlRoute
from service.web.conditional import IfMatch, Reply
from service.web.lists.pagination import Page
from service.web.openapi import problems

router = APIRouter(prefix="/posts/{post_id}/comments", tags=["comments"], route_class=SqlRoute)


@router.post(
    "",
    status_code=201,
    dependencies=[needs("comments:write")],
    responses=problems(PostNotFound, AuthorUnknown),
)
async def comments_create(
    post_id: UUID, comment: CommentCreate, comments: Comments, reply: Reply
) -> CommentRead:
    """Comment on a post."""
    made = await comments.add(post_id, comment)
    return reply.created(made, made.id)


@router.get("", dependencies=[needs("comments:read")], responses=problems(PostNotFound))
async def comments_list(
    post_id: UUID, query: Annotated[CommentQuery, Query()], comments: Comments
) -> Page[CommentRead]:
    """List the comments on a post."""
    return await comments.list_of(post_id, query)


@router.get(
    "/{comment_id}",
    dependencies=[needs("comments:read")],
    responses=problems(CommentNotFound, cached=True),
)
async def comments_get(
    post_id: UUID, comment_id: UUID, comments: Comments, reply: Reply
) -> CommentRead:
    """Return one comment."""
    return reply.ok(await comments.get_of(post_id, comment_id))


@router.patch(
    "/{comment_id}",
    dependencies=[needs("comments:write")],
    responses=problems(CommentNotFound, if_match=True),
)
async def comments_update(
    post_id: UUID,
    comment_id: UUID,
    change: CommentUpdate,
    comments: Comments,
    expected: IfMatch,
    reply: Reply,
) -> CommentRead:
    """Change the text of your comment."""
    return reply.updated(await comments.change(post_id, comment_id, change, expected))


@router.delete(
    "/{comment_id}",
    status_code=204,
    dependencies=[needs("comments:write")],
    responses=problems(CommentNotFound, if_match=True),
)
async def comments_delete(
    post_id: UUID, comment_id: UUID, comments: Comments, expected: IfMatch
) -> None:
    """Delete a comment."""
    await comments.remove_of(post_id, comment_id, expected)
