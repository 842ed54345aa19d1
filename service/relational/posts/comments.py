"""The comments of a post in PostgreSQL."""

from typing import Annotated
from uuid import UUID

from sqlalchemy import ColumnElement, exists, insert, select

from service.auth.caller import CurrentCaller
from service.core.errors import NotFound
from service.relational.posts.repository import AuthorUnknown, PostNotFound, seen_posts
from service.relational.posts.schemas import CommentCreate, CommentQuery, CommentRead, CommentUpdate
from service.relational.posts.tables import Comment, Post
from service.relational.users.repository import Users
from service.stores.sql.base import columns
from service.stores.sql.engine import SqlSession
from service.stores.sql.rows import change_row, owned_by, remove_row, sql_page
from service.web.conditional import Expected
from service.web.context import provided
from service.web.pagination import Page, Paging
from service.web.schemas import changes


class CommentNotFound(NotFound):
    code, title = "comment_not_found", "There is no such comment on this post"


class CommentedPostNotFound(PostNotFound):
    constraints = "fk_comments_post_id"


_COLUMNS = columns(
    Comment.id, Comment.post_id, Comment.author_id, Comment.content, Comment.version,
    Comment.created_at, Comment.updated_at,
)  # fmt: skip


class CommentRepository:
    """Whoever sees a post sees its comments, and changes their own; ``comments:admin`` all."""

    def __init__(
        self, session: SqlSession, paginator: Paging, users: Users, caller: CurrentCaller
    ) -> None:
        self._session, self._paginator, self._users = session, paginator, users
        self._caller = caller

    async def get(self, post_id: UUID, comment_id: UUID) -> CommentRead:
        statement = select(*_COLUMNS).where(self._is(post_id, comment_id))
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise CommentNotFound
        return CommentRead.model_validate(row)

    async def list(self, post_id: UUID, query: CommentQuery) -> Page[CommentRead]:
        await self._see(post_id)
        statement = select(*_COLUMNS).where(Comment.post_id == post_id)
        return await sql_page(
            self._session, statement, Comment, query, self._paginator, CommentRead.model_validate
        )

    async def add(self, post_id: UUID, comment: CommentCreate) -> CommentRead:
        author_id = self._caller.owner_for(comment.author_id, "comments:admin", "/author_id")
        if not await self._users.hold(author_id):
            raise AuthorUnknown
        await self._see(post_id)
        values = {**comment.model_dump(), "post_id": post_id, "author_id": author_id}
        statement = insert(Comment).values(**values).returning(*_COLUMNS)
        return CommentRead.model_validate((await self._session.execute(statement)).one())

    async def change(
        self, post_id: UUID, comment_id: UUID, change: CommentUpdate, expected: Expected
    ) -> CommentRead:
        where, mine = self._is(post_id, comment_id), self._mine()
        values = changes(change)
        await change_row(
            self._session, Comment, where, values, expected, CommentNotFound, mine=mine
        )
        return await self.get(post_id, comment_id)

    async def remove(self, post_id: UUID, comment_id: UUID, expected: Expected) -> None:
        where, mine = self._is(post_id, comment_id), self._mine()
        await remove_row(self._session, Comment, where, expected, CommentNotFound, mine=mine)

    async def _see(self, post_id: UUID) -> None:
        there = select(Post.id).where(Post.id == post_id, seen_posts(self._caller))
        if await self._session.scalar(there) is None:
            raise PostNotFound

    def _is(self, post_id: UUID, comment_id: UUID) -> ColumnElement[bool]:
        this = (Comment.id == comment_id) & (Comment.post_id == post_id)
        return this & exists().where(Post.id == post_id, seen_posts(self._caller))

    def _mine(self) -> ColumnElement[bool]:
        return owned_by(self._caller, Comment.author_id, unless="comments:admin")


Comments = Annotated[CommentRepository, provided(CommentRepository)]
