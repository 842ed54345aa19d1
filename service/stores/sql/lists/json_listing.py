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
from service.stores.sql.lists.listing import SqlListing
from service.stores.sql.lists.statements import SHAPES_KEPT, SORT_VALUE, QueryShape
from service.web.lists.cursors import Cursor
from service.web.lists.large_pages import SMALL_BYTES, end_early, in_batches
from service.web.lists.pagination import ListQuery
from service.web.lists.sorting import parse_sort
from service.web.streaming import LARGE_BYTES


class JsonListing(SqlListing):
    """A list whose rows PostgreSQL writes as JSON.

    A page ends early where its ``large`` fields exceed 8 MiB. Rows in which they have over 4 KiB
    are read apart, so that no list holds more than a few of them.

    Args:
        large: the bytes of each field that makes rows large; the others are those of SqlListing.
    """

    def __init__(
        self,
        *arguments: Any,
        large: Mapping[str, ColumnElement[int]] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._large = large or {}
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
        total = await self._total(session, query, names, parameters)
        shape, parameters = self._shape(query, names, parameters, paginator)
        found = await fetch(session, self._json_of(shape), parameters)
        page, last = query.split_page(found)
        sizes = self._sizes(page)
        page, last = end_early(page, last, sizes, by_offset=query.by_offset)
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
        if not self._large:
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

    def _reads_only(self, fields: frozenset[str]) -> bool:
        return bool(fields)

    def _cursor(self, last: Any, sort: str) -> Cursor:
        places = range(len(parse_sort(sort)))
        return Cursor(tuple(last[f"{SORT_VALUE}{place}"] for place in places), last["id"])

    def _prepare_json(self, shape: QueryShape) -> PreparedQuery:
        whole = self._shown or {}
        fields = {name: whole[name] for name in whole if not shape.fields or name in shape.fields}
        shown: ColumnElement[Any] = json_row(fields)
        columns = [self._table.id, *self._sort_values(shape.sort)]
        if large := [size for name, size in self._large.items() if name in fields]:
            size = sum(large[1:], large[0])
            is_small = size <= literal_column(str(SMALL_BYTES))
            shown = case((is_small, shown), else_=null())
            columns.append(size.label("size"))
        statement = select(*columns, shown.label("shown")).select_from(self._source)
        return PreparedQuery(self._ordered(statement.where(self._where), shape))
