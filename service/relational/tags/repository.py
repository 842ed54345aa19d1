"""Tags in PostgreSQL."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from sqlalchemy import func, select
from uuid_utils.compat import uuid7

from service.core.errors import Conflict, NotFound
from service.relational.tags.schemas import TagCreate, TagQuery, TagRead, TagUpdate
from service.relational.tags.tables import Tag
from service.stores.sql.bulk import insert_missing, read_rows, unnest_rows
from service.stores.sql.filters import has_parts
from service.stores.sql.listing import SqlListing, projection
from service.stores.sql.repository import SqlRepository
from service.web.bulk import BulkItems
from service.web.conditional import Expected
from service.web.schemas import changes


class TagNotFound(NotFound):
    code, title = "tag_not_found", "There is no such tag"


class TagNameTaken(Conflict):
    code, title, pointer = "tag_name_taken", "Tag name already taken", "/name"
    detail = "Choose another name; case and accents written as two characters do not matter."
    constraints = "uq_tags_name"


class TagRepository(SqlRepository[TagRead]):
    """Everybody sees all tags; the scopes decide who may change them."""

    table, schema, missing = Tag, TagRead, TagNotFound
    listing = SqlListing(
        Tag,
        TagQuery,
        projection(Tag, TagRead),
        filters={"name": func.fold_name(Tag.name)},
        custom={"q": has_parts(Tag.search, Tag.name)},
    )

    async def find(self, name: str) -> UUID | None:
        """Return the id of the tag of this name, whatever the case."""
        named = select(Tag.id).where(func.fold_name(Tag.name) == func.fold_name(name))
        return await self._session.scalar(named)

    async def add(self, tag: TagCreate) -> TagRead:
        return await self._insert({"name": tag.name})

    async def change(self, tag_id: UUID, change: TagUpdate, expected: Expected) -> TagRead:
        await self._change(self._is(tag_id), changes(change), expected)
        return await self.get(tag_id)

    async def ids_of(self, names: Iterable[str]) -> Sequence[UUID]:
        """Return the tags of these names in the order of the names; make those that are missing."""
        wanted = {name.lower(): name for name in names}
        tags = (await self.lock_all(wanted.values())).values()
        return list(dict.fromkeys(tag.id for tag in sorted(tags, key=lambda tag: tag.name)))

    async def put_all(self, batch: BulkItems[TagCreate]) -> Mapping[int, TagRead]:
        """Return the tags of these names by place; make those that are missing."""
        tags = await self.lock_all([tag.name for tag in batch.pending.values()])
        return {place: tags[tag.name] for place, tag in batch.pending.items()}

    async def lock_all(self, names: Iterable[str]) -> Mapping[str, TagRead]:
        """Return the tags by these names, made where missing; they stay until the commit.

        All transactions make tags in one order, so that no two wait for each other.
        """
        tags: dict[str, TagRead] = {}
        while missing := [name for name in dict.fromkeys(names) if name not in tags]:
            rows = [{"id": uuid7(), "name": name} for name in missing]
            await self._session.execute(insert_missing(Tag, rows, ordered_by="name"))
            # PostgreSQL lowers some letters otherwise than Python, and its index decides.
            wanted = unnest_rows(Tag, rows)
            locked = (
                select(wanted.c.name.label("typed"), *self.listing.columns)
                .join_from(wanted, Tag, func.fold_name(Tag.name) == func.fold_name(wanted.c.name))
                .order_by(Tag.id)
                .with_for_update(read=True, key_share=True, of=Tag)
            )
            tags |= await read_rows(TagRead, await self._session.execute(locked), "typed")
        return tags


Tags = Annotated[TagRepository, Depends(TagRepository.from_request)]
