"""Posts in PostgreSQL."""

import secrets
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID
from zlib import crc32

from fastapi import Response
from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or

from service.auth.caller import Caller, CurrentCaller
from service.core.errors import Conflict, NotFound, Refused
from service.relational.posts.queries import COLUMNS, one_post, posts, visible_posts
from service.relational.posts.schemas import (
    PostCreate,
    PostQuery,
    PostRead,
    PostsOfQuery,
    PostUpdate,
)
from service.relational.posts.slug import slug_of
from service.relational.posts.tables import Post, PostTag
from service.relational.tags.repository import Tags
from service.relational.users.repository import Users
from service.stores.sql.engine import SqlSession
from service.stores.sql.fast_read import fetch
from service.stores.sql.rows import change_row, owned_by, remove_row
from service.web.conditional import Expected, JsonResource
from service.web.context import provided
from service.web.pagination import Paging
from service.web.schemas import changes


class PostNotFound(NotFound):
    code, title = "post_not_found", "There is no such post"


class SlugTaken(Conflict):
    code, title, pointer = "slug_taken", "There is a post with this slug", "/slug"
    constraints = "uq_posts_slug"


class AuthorUnknown(Conflict):
    code, title, pointer = "author_unknown", "There is no user with the author's id", "/author_id"
    constraints = ("fk_posts_author_id", "fk_comments_author_id")


class TagGone(Conflict):
    code, title, pointer = "tag_gone", "A tag was removed at the same moment; try again", "/tags"
    constraints = "fk_post_tags_tag_id"


class PostGone(PostNotFound):
    constraints = "fk_post_tags_post_id"


class PublishedWithoutDate(Refused):
    code, title = "published_without_date", "What is published has a date"
    constraints = "ck_posts_published_has_date"


class ViewsBelowZero(Refused):
    code, title, constraints = "views", "Nothing is seen fewer than 0 times", "ck_posts_views"


class SlugOdd(Refused):
    code, title, pointer = "slug_odd", "A slug is of a to z, 0 to 9 and single dashes", "/slug"
    constraints = "ck_posts_slug"


_SELECTED = select(*COLUMNS)  # built once, not for each request


def seen_posts(caller: Caller) -> ColumnElement[bool]:
    """The base of every query: what is published, and what is the caller's own."""
    return visible_posts(caller.has_scope("posts:admin"), caller.user_id)


class PostRepository:
    """Everybody sees what is published; whoever lacks ``posts:admin`` changes their own alone."""

    def __init__(
        self,
        session: SqlSession,
        paginator: Paging,
        tags: Tags,
        users: Users,
        caller: CurrentCaller,
    ) -> None:
        self._session, self._paginator, self._tags, self._users = session, paginator, tags, users
        self._caller, self._seen = caller, seen_posts(caller)
        self._sees_everything = caller.has_scope("posts:admin")

    async def show(self, post_id: UUID, expand: str | None) -> JsonResource:
        statement = one_post(_names(expand), everything=self._sees_everything)
        values = {"post_id": post_id, **self._caller_id()}
        rows = await fetch(self._session, statement, values)
        if not rows:
            raise PostNotFound
        version, views, nested, text = rows[0]
        nested_hash = f".{crc32(nested.encode()):x}" if expand else ""
        return JsonResource(f"{version}.{views}{nested_hash}", text)

    async def get(self, post_id: UUID) -> PostRead:
        statement = _SELECTED.where(Post.id == post_id, self._seen)
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise PostNotFound
        return PostRead.model_validate(row)

    async def list(self, query: PostQuery) -> Response:
        drafts = query.published is False
        listing = posts(_names(query.expand), everything=self._sees_everything, drafts=drafts)
        values = self._caller_id()
        if query.tag is not None:
            values["tag"] = await self._tags.find(query.tag)
        return await listing.page(self._session, query, self._paginator, **values)

    def _caller_id(self) -> dict[str, Any]:
        """The parameter that statements have where the caller does not see everything."""
        return {} if self._sees_everything else {"caller_id": self._caller.user_id}

    async def list_of(self, author_id: UUID, query: PostsOfQuery) -> Response:
        """The posts of a user; :class:`UserNotFound` if there is no such user."""
        await self._users.must_exist(author_id)
        return await self.list(PostQuery(**query.model_dump(), author_id=author_id))

    async def add(self, post: PostCreate) -> PostRead:
        author_id = self._caller.owner_for(post.author_id, "posts:admin", "/author_id")
        if not await self._users.hold(author_id):
            raise AuthorUnknown
        values = {**post.model_dump(exclude={"tags", "slug"}), "author_id": author_id}
        if post.published:
            values["published_at"] = func.now()
        if post.slug is None:
            row = await self._insert_with_free_slug(values, slug_of(post.title))
        else:
            statement = insert(Post).values(**values, slug=post.slug).returning(*COLUMNS)
            row = (await self._session.execute(statement)).one()
        await self._file(row.id, post.tags)
        return PostRead.model_validate(row)

    async def change(self, post_id: UUID, change: PostUpdate, expected: Expected) -> PostRead:
        values = changes(change)
        tags = values.pop("tags", None)
        await self._change(post_id, values, expected)
        if tags is not None:
            await self._session.execute(delete(PostTag).where(PostTag.post_id == post_id))
            await self._file(post_id, tags)
        return await self.get(post_id)

    async def publish(self, post_id: UUID, expected: Expected) -> PostRead:
        """Sets the date; a post that is published already keeps its own."""
        date = func.coalesce(Post.published_at, func.now())
        await self._change(post_id, {"published": True, "published_at": date}, expected)
        return await self.get(post_id)

    async def unpublish(self, post_id: UUID, expected: Expected) -> PostRead:
        await self._change(post_id, {"published": False, "published_at": None}, expected)
        return await self.get(post_id)

    async def count_view(self, post_id: UUID) -> PostRead:
        """One view more. The version stays: readers are no obstacle to who edits."""
        statement = (
            update(Post)
            .where(Post.id == post_id, self._seen)
            .values(views=Post.views + 1, updated_at=Post.updated_at)
            .returning(*COLUMNS)
        )
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise PostNotFound
        return PostRead.model_validate(row)

    async def remove(self, post_id: UUID, expected: Expected) -> None:
        where = (Post.id == post_id) & self._seen
        await remove_row(self._session, Post, where, expected, PostNotFound, mine=self._mine())

    async def _change(self, post_id: UUID, values: dict[str, Any], expected: Expected) -> None:
        where, mine = (Post.id == post_id) & self._seen, self._mine()
        await change_row(self._session, Post, where, values, expected, PostNotFound, mine=mine)

    def _mine(self) -> ColumnElement[bool]:
        return owned_by(self._caller, Post.author_id, unless="posts:admin")

    async def _insert_with_free_slug(self, values: dict[str, Any], slug: str) -> Any:
        """Tries the plain slug, then others with a random end; the unique index decides."""
        candidate = slug
        while True:
            statement = (
                insert_or(Post)
                .values(**values, slug=candidate)
                .on_conflict_do_nothing(index_elements=[Post.slug])
                .returning(*COLUMNS)
            )
            row = (await self._session.execute(statement)).one_or_none()
            if row is not None:
                return row
            candidate = f"{slug}-{secrets.token_hex(4)}"

    async def _file(self, post_id: UUID, names: Sequence[str]) -> None:
        tag_ids = await self._tags.ids_of(names)
        if tag_ids:
            rows = [{"post_id": post_id, "tag_id": tag_id} for tag_id in tag_ids]
            await self._session.execute(insert_or(PostTag).on_conflict_do_nothing(), rows)


def _names(expand: str | None) -> frozenset[str]:
    return frozenset(expand.split(",")) if expand else frozenset()


Posts = Annotated[PostRepository, provided(PostRepository)]
