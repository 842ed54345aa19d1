"""Many posts at once, all or none or each by itself, in a few statements."""

import secrets
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import Boolean, case, column, delete, func, select, update
from uuid_utils.compat import uuid7

from service.auth.caller import CurrentCaller, NotYours
from service.relational.posts.repository import AuthorUnknown, PostNotFound, SlugTaken, seen_posts
from service.relational.posts.schemas import PostCreate, PostRead
from service.relational.posts.slug import slug_of
from service.relational.posts.tables import Post, PostTag
from service.relational.tags.repository import Tags
from service.relational.users.queries import is_deleted
from service.relational.users.tables import User
from service.stores.sql.base import columns
from service.stores.sql.bulk import any_of, insert_missing
from service.stores.sql.engine import SqlSession
from service.stores.sql.rows import owned_by
from service.web.bulk import BulkItems, ItemDone
from service.web.context import provided

_COLUMNS = columns(
    *[getattr(Post, name) for name in PostRead.model_fields if name in Post.__table__.c]
)
_DATE = case((column("published", Boolean), func.now()))


class PostBulk:
    """Whoever lacks ``posts:admin`` makes and changes their own alone."""

    def __init__(self, session: SqlSession, tags: Tags, caller: CurrentCaller) -> None:
        self._session, self._tags, self._caller = session, tags, caller

    async def add_all(self, batch: BulkItems[PostCreate]) -> Mapping[int, PostRead]:
        """Locks as a single post does: authors, slugs, tags."""
        authors = await self._hold_authors(batch)
        rows = {
            place: {
                "id": uuid7(),
                "author_id": authors[place],
                "slug": slug,
                **batch.pending[place].model_dump(exclude={"author_id", "slug", "tags"}),
            }
            for place, slug in _slugs(batch.pending).items()
        }
        made = await self._insert(batch, rows)
        await self._file({made[place].id: post.tags for place, post in batch.pending.items()})
        return {place: PostRead(**made[place]._mapping) for place in batch.pending}

    async def publish_all(self, batch: BulkItems[UUID]) -> Mapping[int, PostRead]:
        """Those that are published already keep their date."""
        statement = (
            update(Post)
            .where(any_of(Post.id, await self._hold(batch)))
            .values(
                published=True,
                published_at=func.coalesce(Post.published_at, func.now()),
                version=Post.version + 1,
            )
            .returning(*_COLUMNS)
            .execution_options(synchronize_session=False)
        )
        changed = {row.id: row for row in await self._session.execute(statement)}
        return {place: PostRead(**changed[key]._mapping) for place, key in batch.pending.items()}

    async def remove_all(self, batch: BulkItems[UUID]) -> Mapping[int, ItemDone]:
        statement = delete(Post).where(any_of(Post.id, await self._hold(batch)))
        await self._session.execute(statement.execution_options(synchronize_session=False))
        return {place: ItemDone(status=204, id=key) for place, key in batch.pending.items()}

    async def _hold(self, batch: BulkItems[UUID]) -> set[UUID]:
        """Those that the caller may change; takes out the others."""
        mine = owned_by(self._caller, Post.author_id, unless="posts:admin").label("mine")
        held = select(Post.id, mine).where(
            any_of(Post.id, set(batch.pending.values())), seen_posts(self._caller)
        )
        held = held.order_by(Post.id).with_for_update()
        found = {row.id: row.mine for row in await self._session.execute(held)}
        for place, key in list(batch.pending.items()):
            if not found.get(key):
                batch.fail(place, NotYours() if key in found else PostNotFound())
        return set(batch.pending.values())

    async def _hold_authors(self, batch: BulkItems[PostCreate]) -> Mapping[int, UUID | None]:
        authors = batch.check_each(
            lambda post: self._caller.owner_for(post.author_id, "posts:admin", "/author_id")
        )
        there = select(User.id).where(any_of(User.id, set(authors.values())), is_deleted(False))
        there = there.order_by(User.id).with_for_update(read=True)
        known = set(await self._session.scalars(there))
        for place in [place for place, author in authors.items() if author not in known]:
            batch.fail(place, AuthorUnknown())
        return authors

    async def _insert(
        self, batch: BulkItems[PostCreate], rows: Mapping[int, dict[str, Any]]
    ) -> Mapping[int, Any]:
        """Once, and again under other slugs for those whose slug was not asked for."""
        made: dict[int, Any] = {}
        waiting = dict(rows)
        while waiting:
            given = list(waiting.values())
            into = insert_missing(Post, given, ordered_by="slug", published_at=_DATE)
            found = {row.id: row for row in await self._session.execute(into.returning(*_COLUMNS))}
            for place, row in list(waiting.items()):
                if row["id"] in found:
                    made[place] = found[row["id"]]
                elif batch.pending[place].slug is None:
                    row["slug"] = _with_end(slug_of(batch.pending[place].title))
                    continue
                else:
                    batch.fail(place, SlugTaken())
                del waiting[place]
        return made

    async def _file(self, names: Mapping[UUID, list[str]]) -> None:
        tags = await self._tags.hold_all([name for each in names.values() for name in each])
        filed = [
            {"post_id": post_id, "tag_id": tags[name].id}
            for post_id, each in names.items()
            for name in each
        ]
        if filed:
            await self._session.execute(insert_missing(PostTag, filed, ordered_by="tag_id"))


def _slugs(posts: Mapping[int, PostCreate]) -> dict[int, str]:
    """A slug for each; those that are asked for come first, the others keep out of their way."""
    slugs = {place: post.slug for place, post in posts.items() if post.slug is not None}
    used = set(slugs.values())
    for place, post in posts.items():
        if post.slug is None:
            plain = slug_of(post.title)
            slugs[place] = _with_end(plain) if plain in used else plain
            used.add(plain)
    return slugs


def _with_end(slug: str) -> str:
    return f"{slug}-{secrets.token_hex(4)}"


PostsAtOnce = Annotated[PostBulk, provided(PostBulk)]
