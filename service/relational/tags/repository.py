"""Tags in PostgreSQL."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated
from uuid import UUID

from sqlalchemy import func, insert, select
from uuid_utils.compat import uuid7

from service.core.errors import Conflict, NotFound
from service.relational.tags.schemas import TagCreate, TagQuery, TagRead, TagUpdate
from service.relational.tags.tables import Tag
from service.stores.sql.base import columns
from service.stores.sql.bulk import insert_missing, unnest_rows
from service.stores.sql.engine import SqlSession
from service.stores.sql.rows import Columns, change_row, filtered, remove_row, sql_page
from service.web.bulk import BulkItems
from service.web.conditional import Expected
from service.web.context import provided
from service.web.pagination import Page, Paging
from service.web.schemas import changes


class TagNotFound(NotFound):
    code, title = "tag_not_found", "There is no such tag"


class TagNameTaken(Conflict):
    code, title, pointer = "tag_name_taken", "There is a tag of this name", "/name"
    constraints = "uq_tags_name"


_COLUMNS = columns(Tag.id, Tag.name, Tag.version, Tag.created_at, Tag.updated_at)
_SELECTED = select(*_COLUMNS)  # built once, not for each request
_FILTERED: Columns = {"name": func.lower(Tag.name)}


class TagRepository:
    def __init__(self, session: SqlSession, paginator: Paging) -> None:
        self._session, self._paginator = session, paginator

    async def get(self, tag_id: UUID) -> TagRead:
        found = await self._session.execute(_SELECTED.where(Tag.id == tag_id))
        row = found.one_or_none()
        if row is None:
            raise TagNotFound
        return TagRead.model_validate(row)

    async def find(self, name: str) -> UUID | None:
        """The id of the tag of this name."""
        named = select(Tag.id).where(func.lower(Tag.name) == func.lower(name))
        found: UUID | None = await self._session.scalar(named)
        return found

    async def list(self, query: TagQuery) -> Page[TagRead]:
        statement = filtered(_SELECTED, query.filters(), _FILTERED)
        return await sql_page(
            self._session, statement, Tag, query, self._paginator, TagRead.model_validate
        )

    async def add(self, tag: TagCreate) -> TagRead:
        statement = insert(Tag).values(name=tag.name).returning(*_COLUMNS)
        return TagRead.model_validate((await self._session.execute(statement)).one())

    async def ids_of(self, names: Iterable[str]) -> Sequence[UUID]:
        """The tags of these names, made where there are none; in the order of their names."""
        wanted = {name.lower(): name for name in names}
        tags = (await self.hold_all(wanted.values())).values()
        return list(dict.fromkeys(tag.id for tag in sorted(tags, key=lambda tag: tag.name)))

    async def put_all(self, batch: BulkItems[TagCreate]) -> Mapping[int, TagRead]:
        """The tags of these names, made where there are none."""
        tags = await self.hold_all([tag.name for tag in batch.pending.values()])
        return {place: tags[tag.name] for place, tag in batch.pending.items()}

    async def hold_all(self, names: Iterable[str]) -> Mapping[str, TagRead]:
        """The tags by these names, made where there are none; they stay until the transaction ends.

        All who make tags make them in one order, so that nobody waits in a circle.
        """
        found: dict[str, TagRead] = {}
        while missing := [name for name in dict.fromkeys(names) if name not in found]:
            rows = [{"id": uuid7(), "name": name} for name in missing]
            await self._session.execute(insert_missing(Tag, rows, ordered_by="name"))
            # PostgreSQL lowers some letters otherwise than Python, and its index is what decides.
            given = unnest_rows(Tag, rows)
            held = (
                select(given.c.name.label("typed"), *_COLUMNS)
                .join_from(given, Tag, func.lower(Tag.name) == func.lower(given.c.name))
                .order_by(Tag.id)
                .with_for_update(read=True, key_share=True, of=Tag)
            )
            for row in await self._session.execute(held):
                found[row.typed] = TagRead.model_validate(row)
        return found

    async def change(self, tag_id: UUID, change: TagUpdate, expected: Expected) -> TagRead:
        values = changes(change)
        await change_row(self._session, Tag, Tag.id == tag_id, values, expected, TagNotFound)
        return await self.get(tag_id)

    async def remove(self, tag_id: UUID, expected: Expected) -> None:
        """Takes the tag off every post as well."""
        await remove_row(self._session, Tag, Tag.id == tag_id, expected, TagNotFound)


Tags = Annotated[TagRepository, provided(TagRepository)]
