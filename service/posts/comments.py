"""The comments of a post in PostgreSQL."""

from typing import Annotated
from uuid import UUID

from sqlalchemy import ColumnElement, insert, select

from service.answers import Expected
from service.errors import NotFound
from service.paging import Page, Paging
from service.posts.repository import AuthorUnknown, PostNotFound
from service.posts.schemas import CommentCreate, CommentQuery, CommentRead, CommentUpdate
from service.posts.tables import Comment, Post
from service.provide import provided
from service.sql import SqlSession
from service.sql_rows import change_row, remove_row, sql_page
from service.users.repository import Users
from service.wire import changes


class CommentNotFound(NotFound):
    code, title = "comment_not_found", "There is no such comment on this post"


class CommentedPostNotFound(PostNotFound):
    guards = "fk_comments_post_id"


_COLUMNS = (
    Comment.id, Comment.post_id, Comment.author_id, Comment.content, Comment.version,
    Comment.created_at, Comment.updated_at,
)  # fmt: skip


class CommentRepository:
    def __init__(self, session: SqlSession, pager: Paging, users: Users) -> None:
        self._session, self._pager, self._users = session, pager, users

    async def get(self, post_id: UUID, comment_id: UUID) -> CommentRead:
        statement = select(*_COLUMNS).where(_is(post_id, comment_id))
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise CommentNotFound
        return CommentRead.model_validate(row)

    async def list(self, post_id: UUID, query: CommentQuery) -> Page[CommentRead]:
        if await self._session.scalar(select(Post.id).where(Post.id == post_id)) is None:
            raise PostNotFound
        statement = select(*_COLUMNS).where(Comment.post_id == post_id)
        return await sql_page(
            self._session, statement, Comment, query, self._pager, CommentRead.model_validate
        )

    async def add(self, post_id: UUID, comment: CommentCreate) -> CommentRead:
        if not await self._users.hold(comment.author_id):
            raise AuthorUnknown
        values = {"post_id": post_id, **comment.model_dump()}
        statement = insert(Comment).values(**values).returning(*_COLUMNS)
        return CommentRead.model_validate((await self._session.execute(statement)).one())

    async def change(
        self, post_id: UUID, comment_id: UUID, change: CommentUpdate, expected: Expected
    ) -> CommentRead:
        where = _is(post_id, comment_id)
        values = changes(change)
        await change_row(self._session, Comment, where, values, expected, CommentNotFound)
        return await self.get(post_id, comment_id)

    async def remove(self, post_id: UUID, comment_id: UUID, expected: Expected) -> None:
        where = _is(post_id, comment_id)
        await remove_row(self._session, Comment, where, expected, CommentNotFound)


def _is(post_id: UUID, comment_id: UUID) -> ColumnElement[bool]:
    return (Comment.id == comment_id) & (Comment.post_id == post_id)


Comments = Annotated[CommentRepository, provided(CommentRepository)]
