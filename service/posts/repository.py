"""Posts in PostgreSQL."""

import secrets
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, func, insert, select, true, update
from sqlalchemy.dialects.postgresql import insert as insert_or

from service.access.caller import Caller, CurrentCaller
from service.answers import Expected
from service.errors import Conflict, NotFound, Refused
from service.paging import Page, Paging
from service.posts.schemas import PostCreate, PostQuery, PostRead, PostsOfQuery, PostUpdate
from service.posts.slug import slug_of
from service.posts.tables import Post, PostTag
from service.provide import provided
from service.sql import SqlSession, columns
from service.sql_rows import (
    AnySelect,
    Columns,
    change_row,
    filtered,
    owned_by,
    remove_row,
    sql_page,
)
from service.tags.repository import Tags
from service.tags.schemas import TagBrief
from service.tags.tables import Tag
from service.users.repository import Users
from service.users.tables import User
from service.wire import changes


class PostNotFound(NotFound):
    code, title = "post_not_found", "There is no such post"


class SlugTaken(Conflict):
    code, title, pointer = "slug_taken", "There is a post with this slug", "/slug"
    guards = "uq_posts_slug"


class AuthorUnknown(Conflict):
    code, title, pointer = "author_unknown", "There is no user with the author's id", "/author_id"
    guards = ("fk_posts_author_id", "fk_comments_author_id")


class TagGone(Conflict):
    code, title, pointer = "tag_gone", "A tag was removed at the same moment; try again", "/tags"
    guards = "fk_post_tags_tag_id"


class PostGone(PostNotFound):
    guards = "fk_post_tags_post_id"


class PublishedWithoutDate(Refused):
    code, title = "published_without_date", "What is published has a date"
    guards = "ck_posts_published_has_date"


class ViewsBelowZero(Refused):
    code, title, guards = "views", "Nothing is seen fewer than 0 times", "ck_posts_views"


class SlugOdd(Refused):
    code, title, pointer = "slug_odd", "A slug is of a to z, 0 to 9 and single dashes", "/slug"
    guards = "ck_posts_slug"


_COLUMNS = columns(
    Post.id, Post.author_id, Post.title, Post.slug, Post.content, Post.published,
    Post.published_at, Post.views, Post.version, Post.created_at, Post.updated_at,
)  # fmt: skip
_SELECTED = select(*_COLUMNS)  # built once, not for each request
_AUTHOR = (User.username.label("author_username"), User.name.label("author_name"))
_FILTERED: Columns = {
    "author_id": Post.author_id,
    "published": Post.published,
    "created_at": Post.created_at,
}


def seen_posts(caller: Caller) -> ColumnElement[bool]:
    """The base of every query: what is published, and what is the caller's own."""
    if caller.may("posts:admin"):
        return true()
    return Post.published | (Post.author_id == caller.user_id)


class PostRepository:
    """Everybody sees what is published; whoever lacks ``posts:admin`` changes their own alone."""

    def __init__(
        self, session: SqlSession, pager: Paging, tags: Tags, users: Users, caller: CurrentCaller
    ) -> None:
        self._session, self._pager, self._tags, self._users = session, pager, tags, users
        self._caller, self._seen = caller, seen_posts(caller)

    async def get(self, post_id: UUID, expand: str | None = None) -> PostRead:
        statement = _selected(expand).where(Post.id == post_id, self._seen)
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise PostNotFound
        return (await self._with_tags([_read(row)], expand))[0]

    async def list(self, query: PostQuery) -> Page[PostRead]:
        statement = _selected(query.expand).where(self._seen)
        statement = filtered(statement, query.filters(), _FILTERED)
        if query.tag is not None:
            statement = statement.where(_filed_under(query.tag))
        if query.q is not None:
            words = func.websearch_to_tsquery("english", query.q)
            statement = statement.where(Post.search.bool_op("@@")(words))
        page = await sql_page(self._session, statement, Post, query, self._pager, _read)
        return page.model_copy(update={"items": await self._with_tags(page.items, query.expand)})

    async def list_of(self, author_id: UUID, query: PostsOfQuery) -> Page[PostRead]:
        """The posts of a user; :class:`UserNotFound` if there is no such user."""
        await self._users.must_exist(author_id)
        return await self.list(PostQuery(**query.model_dump(), author_id=author_id))

    async def add(self, post: PostCreate) -> PostRead:
        author_id = self._caller.on_behalf_of(post.author_id, "posts:admin", "/author_id")
        if not await self._users.hold(author_id):
            raise AuthorUnknown
        values = {**post.model_dump(exclude={"tags", "slug"}), "author_id": author_id}
        if post.published:
            values["published_at"] = func.now()
        if post.slug is None:
            row = await self._insert_with_free_slug(values, slug_of(post.title))
        else:
            statement = insert(Post).values(**values, slug=post.slug).returning(*_COLUMNS)
            row = (await self._session.execute(statement)).one()
        await self._file(row.id, post.tags)
        return _read(row)

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
            .returning(*_COLUMNS)
        )
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise PostNotFound
        return _read(row)

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
                .returning(*_COLUMNS)
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

    async def _with_tags(self, posts: Sequence[PostRead], expand: str | None) -> Sequence[PostRead]:
        """The tags of all of them in one statement."""
        if "tags" not in (expand or "").split(","):
            return posts
        statement = (
            select(PostTag.post_id, Tag.id, Tag.name)
            .join(Tag, Tag.id == PostTag.tag_id)
            .where(PostTag.post_id.in_([post.id for post in posts]))
            .order_by(PostTag.post_id, Tag.name)
        )
        rows = (await self._session.execute(statement)).all()
        tags = {
            post_id: [TagBrief(id=row.id, name=row.name) for row in group]
            for post_id, group in groupby(rows, attrgetter("post_id"))
        }
        return [post.model_copy(update={"tags": tags.get(post.id, [])}) for post in posts]


def _selected(expand: str | None) -> AnySelect:
    if "author" not in (expand or "").split(","):
        return _SELECTED
    return select(*_COLUMNS, *_AUTHOR).join(User, User.id == Post.author_id)


def _read(row: Any) -> PostRead:
    found = dict(row._mapping)
    if "author_username" in found:
        found["author"] = {
            "id": found["author_id"],
            "username": found.pop("author_username"),
            "name": found.pop("author_name"),
        }
    return PostRead(**found)


def _filed_under(name: str) -> Any:
    tagged = select(Tag.id).where(func.lower(Tag.name) == func.lower(name)).scalar_subquery()
    return exists().where(PostTag.post_id == Post.id, PostTag.tag_id == tagged)


Posts = Annotated[PostRepository, provided(PostRepository)]
