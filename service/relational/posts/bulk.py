"""Bulk creation, publication and removal of posts: all, none, or each by itself."""

import secrets
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends
from sqlalchemy import Boolean, case, column, delete, func, select, update
from uuid_utils.compat import uuid7

from service.auth.caller import NotYours
from service.core.cooperative import run_cooperatively
from service.relational.posts.repository import (
    TAGS,
    AuthorUnknown,
    PostNotFound,
    PostRepository,
    SlugTaken,
    publication,
)
from service.relational.posts.schemas import PostCreate, PostRead
from service.relational.posts.slug import slug_of
from service.relational.posts.tables import Post, PostTag
from service.relational.tags.repository import TagRepository, unknown_tags
from service.relational.users.queries import is_deleted
from service.relational.users.tables import User
from service.stores.sql.bulk import any_of, insert_missing, read_rows
from service.stores.sql.context import SqlContext, SqlService
from service.web.bulk import BulkItems, ItemDone

_COLUMNS = PostRepository.listing.columns
_DATE = case((column("published", Boolean), func.now()))


class PostBulk(SqlService):
    """A caller without ``posts:admin`` creates and changes their own posts alone."""

    def __init__(self, context: SqlContext) -> None:
        super().__init__(context)
        self._posts, self._tags = PostRepository(context), TagRepository(context)

    async def add_all(self, batch: BulkItems[PostCreate]) -> Mapping[int, PostRead]:
        """Create posts; locks in the order of a single post: authors, known tags, slugs, tags."""
        authors = await self._lock_authors(batch)
        await self._require_tags(batch)
        rows = await batch.for_each(_new_row)
        for place, slug in (await _slugs(batch)).items():
            rows[place] |= {"author_id": authors[place], "slug": slug}
        made = await self._insert(batch, rows)
        await self._add_tags({made[place].id: post for place, post in batch.pending.items()})
        posts = await read_rows(PostRead, made.values())
        return {place: posts[rows[place]["id"]] for place in batch.pending}

    async def publish_all(self, batch: BulkItems[UUID]) -> Mapping[int, PostRead]:
        """Publish posts; a published post keeps its date."""
        statement = (
            update(Post)
            .where(any_of(Post.id, await self._lock(batch)))
            .values(**publication(True), version=Post.version + 1)
            .returning(*_COLUMNS)
        )
        posts = await read_rows(PostRead, await self._session.execute(statement))
        return {place: posts[key] for place, key in batch.pending.items()}

    async def remove_all(self, batch: BulkItems[UUID]) -> Mapping[int, ItemDone]:
        statement = delete(Post).where(any_of(Post.id, await self._lock(batch)))
        await self._session.execute(statement)
        return {place: ItemDone(status=204, id=key) for place, key in batch.pending.items()}

    async def _lock(self, batch: BulkItems[UUID]) -> set[UUID]:
        """Lock the posts that the caller may change; fail the others."""
        own = self._posts.own().label("own")
        wanted = any_of(Post.id, set(batch.pending.values()))
        locked = select(Post.id, own).where(wanted, self._posts.visible())
        rows = await self._session.execute(locked.order_by(Post.id).with_for_update())
        is_own = {row.id: row.own for row in rows}
        for place, key in list(batch.pending.items()):
            if not is_own.get(key):
                batch.fail(place, NotYours() if key in is_own else PostNotFound())
        return set(batch.pending.values())

    async def _lock_authors(self, batch: BulkItems[PostCreate]) -> Mapping[int, UUID | None]:
        authors = await batch.for_each(
            lambda post: self._caller.owner_for(post.author_id, "posts:admin", "/author_id")
        )
        users = select(User.id).where(any_of(User.id, set(authors.values())), is_deleted(False))
        users = users.order_by(User.id).with_for_update(read=True)
        known = set(await self._session.scalars(users))
        for place in [place for place, author in authors.items() if author not in known]:
            batch.fail(place, AuthorUnknown())
        return authors

    async def _require_tags(self, batch: BulkItems[PostCreate]) -> None:
        wanted = (tag_id for post in batch.pending.values() for tag_id in post.tag_ids)
        known = await self._tags.lock_known(wanted)
        for place, post in list(batch.pending.items()):
            unknown = unknown_tags(post.tag_ids, known)
            if unknown is not None:
                batch.fail(place, unknown)

    async def _insert(
        self, batch: BulkItems[PostCreate], rows: Mapping[int, dict[str, Any]]
    ) -> Mapping[int, Any]:
        """Insert posts; repeat under another slug where the slug was not asked for."""
        made: dict[int, Any] = {}
        waiting = dict(rows)
        while waiting:
            candidates = list(waiting.values())
            into = insert_missing(Post, candidates, ordered_by="slug", published_at=_DATE)
            created = await self._session.execute(into.returning(*_COLUMNS))
            inserted = {row.id: row for row in created}
            for place, row in list(waiting.items()):
                if row["id"] in inserted:
                    made[place] = inserted[row["id"]]
                elif batch.pending[place].slug is None:
                    row["slug"] = _with_end(slug_of(batch.pending[place].title))
                    continue
                else:
                    batch.fail(place, SlugTaken())
                del waiting[place]
        return made

    async def _add_tags(self, posts: Mapping[UUID, PostCreate]) -> None:
        tags = await self._tags.lock_all([name for post in posts.values() for name in post.tags])
        filed = await run_cooperatively(
            {"post_id": post_id, "tag_id": tag_id}
            for post_id, post in posts.items()
            for tag_id in (*(tags[name].id for name in post.tags), *post.tag_ids)
        )
        if filed:
            await self._session.execute(insert_missing(PostTag, filed, ordered_by="tag_id"))


def _new_row(post: PostCreate) -> dict[str, Any]:
    return {"id": uuid7(), **post.model_dump(exclude={*TAGS})}


async def _slugs(batch: BulkItems[PostCreate]) -> dict[int, str]:
    """Return a slug for each post; those that are asked for come first, the others avoid them."""
    slugs = await batch.for_each(lambda post: post.slug or slug_of(post.title))
    used = {post.slug for post in batch.pending.values()}
    for place, post in batch.pending.items():
        plain = slugs[place]
        if post.slug is None and plain in used:
            slugs[place] = _with_end(plain)
        used.add(plain)
    return slugs


def _with_end(slug: str) -> str:
    return f"{slug}-{secrets.token_hex(4)}"


PostBulkDep = Annotated[PostBulk, Depends(PostBulk.from_request)]
