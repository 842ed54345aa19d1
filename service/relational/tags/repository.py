"""Tags in PostgreSQL."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from sqlalchemy import func, select
from uuid_utils.compat import uuid7

from service.core.errors import Collision, Conflict, NotFound, field_error
from service.relational.tags.schemas import TagCreate, TagQuery, TagRead, TagUpdate
from service.relational.tags.tables import Tag
from service.stores.sql.bulk import any_of, insert_missing, read_rows, unnest_rows
from service.stores.sql.lists.filters import has_parts
from service.stores.sql.lists.listing import SqlListing, projection
from service.stores.sql.repository import MAX_TRIES, SqlRepository
from service.web.bulk import BulkItems
from service.web.conditional import Expected
from service.web.schemas import changes


class TagNotFound(NotFound):
    code, title = "tag_not_found", "There is no such tag"


class TagNameTaken(Conflict):
    code, title, pointer = "tag_name_taken", "Tag name already taken", "/name"
    detail = "Choose another name; case and accents written as two characters do not matter."
    constraints = "uq_tags_name"


class TagUnknown(Conflict):
    code, title = "tag_unknown", "Tag does not exist"
    detail = "Send the id of a tag that exists, or its name in tags, which creates it."


class TagRepository(SqlRepository[TagRead]):
    """Everybody sees all tags; the scopes decide who may change them.

    A name is one tag: to create a tag that exists, alone, in bulk or by a post, returns it.
    """

    table, schema, missing = Tag, TagRead, TagNotFound
    listing = SqlListing(
        Tag,
        TagQuery,
        projection(Tag, TagRead),
        schema=TagRead,
        filters={"name": func.fold_name(Tag.name), "created_at": Tag.created_at},
        custom={"q": has_parts(Tag.search, Tag.name)},
    )

    async def find(self, name: str) -> UUID | None:
        """Return the id of the tag of this name, whatever the case."""
        named = select(Tag.id).where(func.fold_name(Tag.name) == func.fold_name(name))
        return await self._session.scalar(named)

    async def put(self, tag: TagCreate) -> tuple[TagRead, bool]:
        """Return the tag of this name, made if it is missing, and whether it was made."""
        tags, made = await self._lock_or_make([tag.name])
        return tags[tag.name], tags[tag.name].id in made

    async def change(self, tag_id: UUID, change: TagUpdate, expected: Expected) -> TagRead:
        await self._change(self._is(tag_id), changes(change), expected)
        return await self.get(tag_id)

    async def ids_of(self, names: Iterable[str]) -> Sequence[UUID]:
        """Return the tags of these names in the order of the names; make those that are missing."""
        wanted = {name.lower(): name for name in names}
        tags = (await self.lock_all(wanted.values())).values()
        return list(dict.fromkeys(tag.id for tag in sorted(tags, key=lambda tag: tag.name)))

    async def lock_known(self, tag_ids: Iterable[UUID]) -> set[UUID]:
        """Return those of the ids that tags have; these tags stay until the commit."""
        if not (wanted := set(tag_ids)):
            return set()
        locked = select(Tag.id).where(any_of(Tag.id, wanted)).order_by(Tag.id)
        return set(await self._session.scalars(locked.with_for_update(read=True, key_share=True)))

    async def put_all(
        self, batch: BulkItems[TagCreate]
    ) -> tuple[Mapping[int, TagRead], Collection[int]]:
        """Return the tags by place, made where missing, and the places that made one."""
        tags, made = await self._lock_or_make([tag.name for tag in batch.pending.values()])
        by_place = {place: tags[tag.name] for place, tag in batch.pending.items()}
        first = {tag.id: place for place, tag in reversed(by_place.items())}
        return by_place, {first[tag_id] for tag_id in made if tag_id in first}

    async def lock_all(self, names: Iterable[str]) -> Mapping[str, TagRead]:
        """Return the tags by these names, made where missing; they stay until the commit."""
        tags, _ = await self._lock_or_make(names)
        return tags

    async def _lock_or_make(
        self, names: Iterable[str]
    ) -> tuple[Mapping[str, TagRead], Collection[UUID]]:
        """Return the tags of :meth:`lock_all`, and the ids of those made.

        All transactions make tags in one order, so that no two wait for each other.

        Raises:
            Collision: others removed the tags each time, or the index of another release compares
                names otherwise.
        """
        tags: dict[str, TagRead] = {}
        made, vain_rounds = set[UUID](), 0
        while missing := [name for name in dict.fromkeys(names) if name not in tags]:
            rows = [{"id": uuid7(), "name": name} for name in missing]
            into = insert_missing(Tag, rows, ordered_by="name").returning(Tag.id)
            made.update(await self._session.scalars(into))
            # PostgreSQL lowers some letters otherwise than Python, and its index decides.
            wanted = unnest_rows(Tag, rows)
            locked = (
                select(wanted.c.name.label("typed"), *self.listing.columns)
                .join_from(wanted, Tag, func.fold_name(Tag.name) == func.fold_name(wanted.c.name))
                .order_by(Tag.id)
                .with_for_update(read=True, key_share=True, of=Tag)
            )
            found = await read_rows(TagRead, await self._session.execute(locked), "typed")
            vain_rounds += not found
            if vain_rounds == MAX_TRIES:
                raise Collision
            tags |= found
        return tags, made


def unknown_tags(tag_ids: Sequence[UUID], known: Collection[UUID]) -> TagUnknown | None:
    """Return the error that names the places in ``tag_ids`` of those that no tag has, if any."""
    errors = [
        field_error(pointer=f"/tag_ids/{place}", code=TagUnknown.code, detail=TagUnknown.detail)
        for place, tag_id in enumerate(tag_ids)
        if tag_id not in known
    ]
    return TagUnknown(errors=errors) if errors else None


Tags = Annotated[TagRepository, Depends(TagRepository.from_request)]
