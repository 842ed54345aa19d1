"""Posts in PostgreSQL."""

import secrets
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Response
from sqlalchemy import ColumnElement, delete, func, insert, update
from sqlalchemy.dialects.postgresql import insert as insert_or

from service.core.errors import Conflict, NotFound, Refused
from service.relational.posts.queries import nested_hash, one_post, posts, visible_posts
from service.relational.posts.schemas import (
    PostCreate,
    PostQuery,
    PostRead,
    PostsOfQuery,
    PostUpdate,
)
from service.relational.posts.slug import slug_of
from service.relational.posts.tables import Post, PostTag
from service.relational.tags.repository import TagRepository, unknown_tags
from service.relational.users.repository import UserRepository
from service.stores.sql.context import SqlContext
from service.stores.sql.fast_read import fetch
from service.stores.sql.repository import SqlRepository
from service.web.conditional import Expected, JsonResource
from service.web.schemas import changes

TAGS = ("tags", "tag_ids")


class PostNotFound(NotFound):
    code, title = "post_not_found", "Post does not exist"


class SlugTaken(Conflict):
    code, title, pointer = "slug_taken", "Slug already taken", "/slug"
    constraints = "uq_posts_slug"


class AuthorUnknown(Conflict):
    code, title, pointer = "author_unknown", "Author does not exist", "/author_id"
    constraints = ("fk_posts_author_id", "fk_comments_author_id")


class TagGone(Conflict):
    code, title, pointer = "tag_gone", "A tag was removed at the same moment", "/tags"
    detail = "Send the request again."
    constraints = "fk_post_tags_tag_id"


class AuthorFixed(Conflict):
    code, title, pointer = "author_fixed", "Author of a post cannot change", "/author_id"
    detail = "Leave author_id out, or send the author that the post has."


class PostGone(PostNotFound):
    constraints = "fk_post_tags_post_id"


class PublishedWithoutDate(Refused):
    code, title = "published_without_date", "Published post has no date"
    constraints = "ck_posts_published_has_date"


class ViewsBelowZero(Refused):
    code, title, constraints = "views", "Views cannot be negative", "ck_posts_views"


class SlugOdd(Refused):
    code, title, pointer = (
        "slug_odd",
        "Slug must consist of a to z, 0 to 9 and single dashes",
        "/slug",
    )
    constraints = "ck_posts_slug"


class PostRepository(SqlRepository[PostRead]):
    """Everybody sees published posts; a caller without ``posts:admin`` changes their own alone."""

    table, schema, missing = Post, PostRead, PostNotFound
    listing = posts(frozenset(), everything=True, drafts=False)

    def __init__(self, context: SqlContext) -> None:
        super().__init__(context)
        self._tags, self._users = TagRepository(context), UserRepository(context)
        self._sees_everything = context.caller.has_scope("posts:admin")

    def visible(self) -> ColumnElement[bool]:
        return visible_posts(self._sees_everything, self._caller.user_id)

    def own(self) -> ColumnElement[bool]:
        return self.owned_by_caller(Post.author_id, unless="posts:admin")

    async def get_json(self, post_id: UUID, expand: str | None) -> JsonResource:
        """Return one post as JSON that PostgreSQL writes; its ETag covers nested objects."""
        statement = one_post(self._names(expand), everything=self._sees_everything)
        rows = await fetch(self._session, statement, {"post_id": post_id, **self.parameters()})
        if not rows:
            raise PostNotFound
        version, views, nested, body = rows[0]
        etag = f"{version}.{views}"
        return JsonResource(f"{etag}.{nested_hash(nested)}" if expand else etag, body)

    async def list_json(self, query: PostQuery) -> Response:
        """Return a page of posts as JSON that PostgreSQL writes: a hot list."""
        drafts = query.published is False
        listing = posts(self._names(query.expand), everything=self._sees_everything, drafts=drafts)
        values = self.parameters()
        if query.tag is not None:
            values["tag"] = await self._tags.find(query.tag)
        return await listing.json_page(self._context, query, **values)

    async def list_of(self, author_id: UUID, query: PostsOfQuery) -> Response:
        """Return the posts of a user.

        Raises:
            UserNotFound: there is no such user.
        """
        await self._users.require(author_id)
        return await self.list_json(
            PostQuery(**query.model_dump(exclude_unset=True), author_id=author_id)
        )

    async def add(self, post: PostCreate) -> PostRead:
        author_id = self._caller.owner_for(post.author_id, "posts:admin", "/author_id")
        if not await self._users.lock(author_id):
            raise AuthorUnknown
        await self._require_tags(post.tag_ids)
        values = {**post.model_dump(exclude={"slug", *TAGS}), "author_id": author_id}
        if post.published:
            values["published_at"] = func.now()
        if post.slug is None:
            row = await self._insert_with_free_slug(values, slug_of(post.title))
        else:
            statement = insert(Post).values(**values, slug=post.slug)
            statement = statement.returning(*self.listing.columns)
            row = (await self._session.execute(statement)).one()
        await self._add_tags(row.id, post.tags, post.tag_ids)
        return self.read(row)

    async def change(self, post_id: UUID, change: PostUpdate, expected: Expected) -> PostRead:
        return await self._change_post(post_id, changes(change), expected)

    async def replace(self, post_id: UUID, post: PostCreate, expected: Expected) -> PostRead:
        """Replace all that an author writes; without a slug the post keeps its own.

        Raises:
            AuthorFixed: another author is named.
        """
        values = post.model_dump(exclude={"author_id"})
        if post.slug is None:
            del values["slug"]
        replaced = await self._change_post(post_id, values, expected)
        if post.author_id not in (None, replaced.author_id):
            raise AuthorFixed
        return replaced

    async def publish(self, post_id: UUID, expected: Expected) -> PostRead:
        """Set the date of publication; a published post keeps its own."""
        return await self._change_post(post_id, {"published": True}, expected)

    async def unpublish(self, post_id: UUID, expected: Expected) -> PostRead:
        return await self._change_post(post_id, {"published": False}, expected)

    async def _change_post(
        self, post_id: UUID, values: dict[str, Any], expected: Expected
    ) -> PostRead:
        """Change columns and tags; ``published`` sets its date, and other tags are a change."""
        columns = {name: value for name, value in values.items() if name not in TAGS}
        if "published" in columns:
            columns |= publication(columns["published"])
        names, tag_ids = (values.get(name) for name in TAGS)
        has_tags = names is not None or tag_ids is not None
        if has_tags:
            columns["updated_at"] = func.now()
        await self._change(self._is(post_id), columns, expected)
        if has_tags:
            await self._require_tags(tag_ids or ())
            await self._session.execute(delete(PostTag).where(PostTag.post_id == post_id))
            await self._add_tags(post_id, names or (), tag_ids or ())
        return await self.get(post_id)

    async def count_view(self, post_id: UUID) -> PostRead:
        """Add one view. The version stays, so that readers do not disturb editors."""
        statement = (
            update(Post)
            .where(self._is(post_id), self.visible())
            .values(views=Post.views + 1, updated_at=Post.updated_at)
            .returning(*self.listing.columns)
        )
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise PostNotFound
        return self.read(row)

    def parameters(self) -> dict[str, Any]:
        return {} if self._sees_everything else {"caller_id": self._caller.user_id}

    def _names(self, expand: str | None) -> frozenset[str]:
        names = frozenset(expand.split(",")) if expand else frozenset()
        if "comments" in names:
            self._caller.require_scope("comments:read", "/query/expand")
        return names

    async def _insert_with_free_slug(self, values: dict[str, Any], slug: str) -> Any:
        """Try the plain slug, then others with a random end; the unique index decides."""
        candidate = slug
        while True:
            statement = (
                insert_or(Post)
                .values(**values, slug=candidate)
                .on_conflict_do_nothing(index_elements=[Post.slug])
                .returning(*self.listing.columns)
            )
            row = (await self._session.execute(statement)).one_or_none()
            if row is not None:
                return row
            candidate = f"{slug}-{secrets.token_hex(4)}"

    async def _require_tags(self, tag_ids: Sequence[UUID]) -> None:
        unknown = unknown_tags(tag_ids, await self._tags.lock_known(tag_ids))
        if unknown is not None:
            raise unknown

    async def _add_tags(self, post_id: UUID, names: Sequence[str], tag_ids: Sequence[UUID]) -> None:
        both = {*await self._tags.ids_of(names), *tag_ids}
        if both:
            rows = [{"post_id": post_id, "tag_id": tag_id} for tag_id in sorted(both)]
            await self._session.execute(insert(PostTag), rows)


def publication(published: bool) -> dict[str, Any]:
    """Return the columns of a post that is published or not; a published post keeps its date."""
    date = func.coalesce(Post.published_at, func.now()) if published else None
    return {"published": published, "published_at": date}


Posts = Annotated[PostRepository, Depends(PostRepository.from_request)]
