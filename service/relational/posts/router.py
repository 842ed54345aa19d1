"""Routes of posts."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from service.auth.caller import needs
from service.relational.posts.repository import (
    AuthorFixed,
    AuthorUnknown,
    PostNotFound,
    PostRepository,
    Posts,
    SlugTaken,
)
from service.relational.posts.schemas import (
    PostCreate,
    PostExpand,
    PostQuery,
    PostRead,
    PostsOfQuery,
    PostUpdate,
)
from service.relational.tags.repository import TagUnknown
from service.relational.users.repository import UserNotFound
from service.stores.sql.context import SqlContext
from service.stores.sql.route import SqlRoute
from service.web.conditional import IfMatch, Reply
from service.web.direct_route import query_parameters, read_query
from service.web.lists.pagination import Page
from service.web.openapi import problems
from service.web.route import policy

router = APIRouter(tags=["posts"], route_class=SqlRoute)


@router.post(
    "/posts",
    status_code=201,
    dependencies=[needs("posts:write")],
    responses=problems(AuthorUnknown, SlugTaken, TagUnknown),
)
async def posts_create(post: PostCreate, posts: Posts, reply: Reply) -> PostRead:
    """Write a post, as a draft unless `published` is true."""
    made = await posts.add(post)
    return reply.created(made, made.id)


@router.get(
    "/posts",
    response_model=Page[PostRead],
    dependencies=[needs("posts:read")],
    responses=problems(),
    openapi_extra=query_parameters(PostQuery),
)
@policy(direct=True)
async def posts_list(request: Request) -> Response:
    """List your own posts and those that are published."""
    posts = PostRepository(SqlContext.of(request, Response()))
    return await posts.list_json(read_query(PostQuery, request))


@router.get(
    "/users/{user_id}/posts",
    response_model=Page[PostRead],
    dependencies=[needs("posts:read")],
    responses=problems(UserNotFound),
)
async def posts_list_of_user(
    user_id: UUID, query: Annotated[PostsOfQuery, Query()], posts: Posts
) -> Response:
    """List the posts of one author."""
    return await posts.list_of(user_id, query)


@router.get(
    "/posts/{post_id}",
    response_model=PostRead,
    dependencies=[needs("posts:read")],
    responses=problems(PostNotFound, cached=True),
)
async def posts_get(
    post_id: UUID, query: Annotated[PostExpand, Query()], posts: Posts, reply: Reply
) -> Response:
    """Return one post; `expand` nests its author, tags and comments.

    Of the comments it nests the newest 20.
    """
    return reply.ok_json(await posts.get_json(post_id, query.expand))


@router.put(
    "/posts/{post_id}",
    dependencies=[needs("posts:write")],
    responses=problems(PostNotFound, SlugTaken, TagUnknown, AuthorFixed, if_match=True),
)
async def posts_replace(
    post_id: UUID, post: PostCreate, posts: Posts, expected: IfMatch, reply: Reply
) -> PostRead:
    """Replace the post; absent fields get their default, and an absent slug stays.

    The author stays, and so does the date of a post that stays published.
    """
    return reply.updated(await posts.replace(post_id, post, expected))


@router.patch(
    "/posts/{post_id}",
    dependencies=[needs("posts:write")],
    responses=problems(PostNotFound, SlugTaken, TagUnknown, if_match=True),
)
async def posts_update(
    post_id: UUID, change: PostUpdate, posts: Posts, expected: IfMatch, reply: Reply
) -> PostRead:
    """Change some fields of a post."""
    return reply.updated(await posts.change(post_id, change, expected))


@router.delete(
    "/posts/{post_id}",
    status_code=204,
    dependencies=[needs("posts:write")],
    responses=problems(PostNotFound, if_match=True),
)
async def posts_delete(post_id: UUID, posts: Posts, expected: IfMatch) -> None:
    """Delete the post and its comments."""
    await posts.remove(post_id, expected)


@router.post(
    "/posts/{post_id}/publish",
    dependencies=[needs("posts:write")],
    responses=problems(PostNotFound, if_match=True),
)
async def posts_publish(post_id: UUID, posts: Posts, expected: IfMatch, reply: Reply) -> PostRead:
    """Publish the post; a published post keeps its date."""
    return reply.updated(await posts.publish(post_id, expected))


@router.post(
    "/posts/{post_id}/unpublish",
    dependencies=[needs("posts:write")],
    responses=problems(PostNotFound, if_match=True),
)
async def posts_unpublish(post_id: UUID, posts: Posts, expected: IfMatch, reply: Reply) -> PostRead:
    """Make a post a draft again."""
    return reply.updated(await posts.unpublish(post_id, expected))


@router.post(
    "/posts/{post_id}/views",
    dependencies=[needs("posts:read")],
    responses=problems(PostNotFound),
)
async def posts_count_view(post_id: UUID, posts: Posts, reply: Reply) -> PostRead:
    """Count one view of the post. The version stays, so that readers do not disturb editors."""
    return reply.updated(await posts.count_view(post_id))
