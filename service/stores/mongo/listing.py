"""Lists from MongoDB: one builder for filters, order, cursor and count, with two outputs."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from bson import decode_iter
from bson.codec_options import CodecOptions
from fastapi import Response

from service.core.cooperative import run_cooperatively
from service.core.errors import Refused
from service.stores.mongo.client import CODEC, Database, Document, MongoCollection
from service.stores.mongo.filters import OPERATORS, after_cursor, all_of, as_filter
from service.stores.mongo.json_types import JSON_CODEC, to_python
from service.web.pagination import Cursor, ListQuery, OffsetQuery, Page, Paginator, Sort

T = TypeVar("T")


class PageTooLarge(Refused):
    code, title = "page_too_large", "Items are too large for one page"
    pointer = "/query/limit"

    def __init__(self, fitting: int) -> None:
        super().__init__(f"Set limit to {fitting} or fewer, because only {fitting} of them fit.")


class _Slice(NamedTuple):
    """The documents of a page, the cursor of the last one if more follow, and the total."""

    documents: Sequence[Document]
    end: Cursor | None
    total: int | None


class MongoListing:
    """A list of the documents of a collection.

    Args:
        collection: its name.
        query: its schema; a filter in it that is none of those below is a TypeError.
        filters: document fields compared by ``field=`` and ``field__op=`` of the query, by name.
        elsewhere: names of filters that the repository applies.
        projection: what of a document is read, if not all of it.
    """

    def __init__(
        self,
        collection: str,
        query: type[ListQuery],
        *,
        filters: Mapping[str, str] | None = None,
        elsewhere: Collection[str] = (),
        projection: Mapping[str, int] | None = None,
    ) -> None:
        self._collection, self._query, self._filters = collection, query, filters or {}
        query.require_applied(self._filters, OPERATORS, elsewhere)
        self._projection = projection

    async def page(
        self,
        database: Database,
        query: ListQuery,
        paginator: Paginator,
        read: Callable[[Document], T],
        *conditions: Document,
    ) -> Page[T]:
        """Return one page, each document passed through ``read``.

        ``conditions`` narrow the list beyond its filters. Documents of equal sort value are ordered
        by ``_id``, so that no tie is lost or repeated.

        Raises:
            BadCursor: the cursor belongs to another list.
            PageTooLarge: the documents of a page with an offset exceed 16 MiB.
        """
        documents, end, total = await self._read(database, query, paginator, conditions, CODEC)
        return paginator.page(query, [read(document) for document in documents], end, total)

    async def json_page(
        self,
        database: Database,
        query: ListQuery,
        paginator: Paginator,
        write: Callable[[Document], str],
        *conditions: Document,
    ) -> Response:
        """Return the same page as JSON, which ``write`` makes of each document.

        The documents hold times and UUIDs as ``JSON_CODEC`` reads them.
        """
        documents, end, total = await self._read(database, query, paginator, conditions, JSON_CODEC)
        items = ",".join(await run_cooperatively(map(write, documents)))
        return paginator.answer(query, f"[{items}]", end, total)

    async def _read(
        self,
        database: Database,
        query: ListQuery,
        paginator: Paginator,
        conditions: Sequence[Document],
        codec: CodecOptions[Document],
    ) -> _Slice:
        """Read one page.

        It ends with MongoDB's first batch (16 MiB), so it may hold fewer items than ``limit``.
        Lists with offsets raise PageTooLarge instead, because the next offset would skip items.
        """
        collection = database[self._collection]
        where = all_of(*conditions, self._filter(query))
        total = await _count(collection, where, query.count)
        sort, start = Sort.parse(query.sort), paginator.position(query)
        direction = -1 if sort.descending else 1
        cursor = collection.find_raw_batches(
            where if start is None else all_of(where, after_cursor(sort, start)),
            self._projection,
            sort=[(sort.field, direction), ("_id", direction)],
            skip=getattr(query, "offset", 0),
            limit=query.limit + 1,
            batch_size=query.limit + 1,
        )
        documents, is_cut = await _first_batch(cursor, codec)
        has_offset = start is None and isinstance(query, OffsetQuery)
        if is_cut and has_offset and len(documents) < query.limit:
            raise PageTooLarge(len(documents))
        page, last = query.split_page(documents)
        if is_cut:
            last = page[-1]
        end = None
        if last is not None:
            end = Cursor(to_python(last[sort.field]), to_python(last["_id"]))
        return _Slice(page, end, total)

    def _filter(self, query: ListQuery) -> Document:
        self._query.require_same(query)
        if not self._filters:
            return {}
        declared = {
            name: value
            for name, value in query.filters().items()
            if name.partition("__")[0] in self._filters
        }
        return as_filter(declared, self._filters)


async def _count(collection: MongoCollection, where: Document, how: str) -> int | None:
    if how == "none":
        return None
    if how == "estimated" and not where:
        return await collection.estimated_document_count()
    return await collection.count_documents(where)


async def _first_batch(cursor: Any, codec: CodecOptions[Document]) -> tuple[list[Document], bool]:
    """Return the documents of a raw cursor's first batch, and whether more follow.

    They are decoded here, because in Motor's threads the event loop would wait for the GIL as long.
    """
    batch = await anext(cursor, b"")
    documents = await run_cooperatively(decode_iter(batch, codec))
    if is_cut := cursor.alive:
        await cursor.close()
    return documents, is_cut
