"""Comments of posts in PostgreSQL."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends
from sqlalchemy import ColumnElement, exists, select

from service.core.errors import NotFound
from service.relational.posts.comment_schemas import (
    CommentCreate,
    CommentQuery,
    CommentRead,
    CommentUpdate,
)
from service.relational.posts.queries import visible_posts
from service.relational.posts.repository import AuthorUnknown, PostNotFound
from service.relational.posts.tables import Comment, Post
from service.relational.users.repository import UserRepository
from service.stores.sql.context import SqlContext
from service.stores.sql.lists.listing import SqlListing, projection
from service.stores.sql.repository import SqlRepository
from service.web.conditional import Expected
from service.web.lists.pagination import Page
from service.web.schemas import changes


class CommentNotFound(NotFound):
    code, title = "comment_not_found", "Comment does not exist on this post"


class CommentedPostNotFound(PostNotFound):
    constraints = "fk_comments_post_id"


class CommentRepository(SqlRepository[CommentRead]):
    """Comments are as visible as their post; ``comments:admin`` changes those of others."""

    table, schema, missing = Comment, CommentRead, CommentNotFound
    listing = SqlListing(
        Comment,
        CommentQuery,
        projection(Comment, CommentRead),
        schema=CommentRead,
        filters={"author_id": Comment.author_id, "created_at": Comment.created_at},
    )

    def __init__(self, context: SqlContext) -> None:
        super().__init__(context)
        self._users = UserRepository(context)
        everything = context.caller.has_scope("posts:admin")
        self._visible_posts = visible_posts(everything, context.caller.user_id)

    def visible(self) -> ColumnElement[bool]:
        return exists().where(Post.id == Comment.post_id, self._visible_posts)

    def own(self) -> ColumnElement[bool]:
        return self.owned_by_caller(Comment.author_id, unless="comments:admin")

    async def get_of(self, post_id: UUID, comment_id: UUID) -> CommentRead:
        return await self._get(_is(post_id, comment_id))

    async def list_of(self, post_id: UUID, query: CommentQuery) -> Page[CommentRead]:
        await self._require_post(post_id)
        return await self._page(query, Comment.post_id == post_id)

    async def add(self, post_id: UUID, comment: CommentCreate) -> CommentRead:
        author_id = self._caller.owner_for(comment.author_id, "comments:admin", "/author_id")
        if not await self._users.lock(author_id):
            raise AuthorUnknown
        await self._require_post(post_id)
        values = {**comment.model_dump(), "post_id": post_id, "author_id": author_id}
        return await self._insert(values)

    async def change(
        self, post_id: UUID, comment_id: UUID, change: CommentUpdate, expected: Expected
    ) -> CommentRead:
        await self._change(_is(post_id, comment_id), changes(change), expected)
        return await self.get_of(post_id, comment_id)

    async def remove_of(self, post_id: UUID, comment_id: UUID, expected: Expected) -> None:
        await self._remove(_is(post_id, comment_id), expected)

    async def _require_post(self, post_id: UUID) -> None:
        post = select(Post.id).where(Post.id == post_id, self._visible_posts)
        if await self._session.scalar(post) is None:
            raise PostNotFound


def _is(post_id: UUID, comment_id: UUID) -> ColumnElement[bool]:
    return (Comment.id == comment_id) & (Comment.post_id == post_id)


Comments = Annotated[CommentRepository, Depends(CommentRepository.from_request)]
