"""Lists from PostgreSQL as JSON that PostgreSQL writes, for the hot lists that opt into it."""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from fastapi import Response
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Uuid,
    any_,
    bindparam,
    case,
    literal_column,
    null,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession

from service.stores.sql.context import SqlContext
from service.stores.sql.engine import SqlStore
from service.stores.sql.fast_read import PreparedQuery, fetch, json_row
from service.stores.sql.listing import SHAPES_KEPT, QueryShape, SqlListing
from service.web.large_pages import SMALL_BYTES, end_early, in_batches
from service.web.pagination import Cursor, ListQuery, Sort
from service.web.streaming import LARGE_BYTES


class JsonListing(SqlListing):
    """A list whose rows PostgreSQL writes as JSON.

    A page ends early where the sum of ``size`` exceeds 8 MiB. Rows of over 4 KiB are read apart, so
    that no list holds more than a few of them.

    Args:
        size: the bytes of what makes rows large, if anything does; the others are those of
            SqlListing.
    """

    def __init__(
        self, *arguments: Any, size: ColumnElement[int] | None = None, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self._size = size
        self._json_of = lru_cache(SHAPES_KEPT)(self._prepare_json)
        wanted = self._table.id == any_(bindparam("_ids", type_=ARRAY(Uuid)))
        columns = self._table.id, json_row(self._shown or {})
        statement = select(*columns).select_from(self._source).where(self._where, wanted)
        self._by_ids = PreparedQuery(statement)

    async def json_page(self, context: SqlContext, query: ListQuery, **values: Any) -> Response:
        """Return the page of ``SqlListing.page`` as JSON; a large page is read while it is sent.

        ``values`` are parameters of ``where``, and of filters whose value is not as it was sent.

        Raises:
            BadCursor: the cursor belongs to another list.
            PageTooLarge: the rows of a page with an offset exceed 8 MiB.
        """
        session, paginator = context.session, context.paginator
        parameters, names = self._parameters(query, values)
        total = await self._count(session, query.count, names, parameters)
        shape, parameters = self._shape(query, names, parameters, paginator)
        found = await fetch(session, self._json_of(shape), parameters)
        page, last = query.split_page(found)
        sizes = self._sizes(page)
        by_offset = not shape.after_cursor and "offset" in query.model_fields_set
        page, last = end_early(page, last, sizes, by_offset=by_offset)
        end = self._end(query, paginator, page, last)
        visible = {name: parameters[name] for name in self._by_ids.names & parameters.keys()}
        if sum(sizes[: len(page)]) > LARGE_BYTES:
            batches = self._batches(context.store, page, visible)
            return paginator.stream(query, batches, end, total)
        texts = await self._texts(session, rows=page, visible=visible)
        return paginator.answer(query, ",".join(texts).encode(), end, total)

    async def _batches(
        self, store: SqlStore, page: Sequence[Any], visible: Mapping[str, Any]
    ) -> AsyncGenerator[Iterable[bytes]]:
        """Yield the rows of a page in batches of a few; each is read in a session of its own."""
        for rows in in_batches(page, self._sizes(page)):
            read = partial(self._texts, rows=rows, visible=visible)
            yield map(str.encode, await store.run(read, writes=False))

    def _sizes(self, rows: Sequence[Any]) -> list[int]:
        """Return the bytes of each large row, 0 for the others."""
        if self._size is None:
            return [0] * len(rows)
        return [0 if row["shown"] is not None else row["size"] for row in rows]

    async def _texts(
        self, session: AsyncSession, *, rows: Sequence[Any], visible: Mapping[str, Any]
    ) -> list[str]:
        """Return the JSON of each row; one that was removed meanwhile is left out."""
        large = [row["id"] for row in rows if row["shown"] is None]
        if not large:
            return [row["shown"] for row in rows]
        read = dict(await fetch(session, self._by_ids, {**visible, "_ids": large}))
        texts = (read.get(row["id"]) if row["shown"] is None else row["shown"] for row in rows)
        return [text for text in texts if text is not None]

    def _cursor(self, last: Any, _sort: str) -> Cursor:
        return Cursor(last["sort_value"], last["id"])

    def _prepare_json(self, shape: QueryShape) -> PreparedQuery:
        column = getattr(self._table, Sort.parse(shape.sort).field)
        shown: ColumnElement[Any] = json_row(self._shown or {})
        columns = [self._table.id, column.label("sort_value")]
        if self._size is not None:
            is_small = self._size <= literal_column(str(SMALL_BYTES))
            shown = case((is_small, shown), else_=null())
            columns.append(self._size.label("size"))
        statement = select(*columns, shown.label("shown")).select_from(self._source)
        return PreparedQuery(self._ordered(statement.where(self._where), shape))
