"""Lists from MongoDB: one builder for filters, order, cursor and count, with two outputs."""

from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from functools import partial
from typing import Any, NamedTuple, TypeVar, cast

from bson import decode_iter
from bson.codec_options import CodecOptions
from fastapi import Response

from service.core.cooperative import run_cooperatively
from service.stores.mongo.client import CODEC, Database, Document, MongoCollection, MongoCursor
from service.stores.mongo.context import MongoContext
from service.stores.mongo.filters import OPERATORS, all_of, as_filter
from service.stores.mongo.json_types import JSON_CODEC
from service.stores.mongo.keyset import START, after_cursor, cursor_of, order_of
from service.stores.mongo.large_documents import (
    Found,
    Large,
    read_found,
    sizes_of,
    small_or_size,
)
from service.web.lists.cursors import Cursor
from service.web.lists.large_pages import end_early, in_batches
from service.web.lists.page_numbers import MOST_COUNTED, Total
from service.web.lists.pagination import ListQuery, Page
from service.web.lists.sorting import parse_sort
from service.web.streaming import LARGE_BYTES

T = TypeVar("T")
Join = Callable[[Sequence[Document]], Awaitable[None]]


class _Slice(NamedTuple):
    """The documents of a page, the cursor of the last one if more follow, and the total."""

    found: Sequence[Found]
    end: Cursor | None
    total: Total | None
    where: Document


class MongoListing:
    """A list of the documents of a collection.

    A page ends early where its documents exceed 8 MiB. Documents above 4 KiB are read apart, so
    that no list holds more than a few of them.

    Args:
        collection: its name.
        query: its schema; a filter in it that is none of those below is a TypeError.
        filters: document fields compared by ``field=`` and ``field__op=`` of the query, by name.
        elsewhere: names of filters that the repository applies.
        followed: a sort by a time whose pages always have a cursor, from which a reader goes on.
        projection: what of a document is read, if it is always small; without, all of it.
    """

    def __init__(
        self,
        collection: str,
        query: type[ListQuery],
        *,
        filters: Mapping[str, str] | None = None,
        elsewhere: Collection[str] = (),
        followed: str | None = None,
        projection: Mapping[str, int] | None = None,
    ) -> None:
        self._collection, self._query, self._filters = collection, query, filters or {}
        query.require_applied(self._filters, OPERATORS, elsewhere)
        self._projection, self._followed = projection, followed

    async def page(
        self,
        context: MongoContext,
        query: ListQuery,
        read: Callable[[Document], T],
        *conditions: Document,
    ) -> Page[T]:
        """Return one page, each document passed through ``read``.

        ``conditions`` narrow the list beyond its filters. Documents of equal sort value are ordered
        by ``_id``, so that no tie is lost or repeated.

        Raises:
            BadCursor: the cursor belongs to another list.
            PageTooLarge: the documents of a page with an offset exceed 8 MiB.
        """
        page = await self._read(context, query, conditions, CODEC)
        documents = await self._whole(context.database, page.found, page.where, CODEC)
        items = [read(document) for document in documents]
        return context.paginator.page(query, items, page.end, page.total)

    async def json_page(
        self,
        context: MongoContext,
        query: ListQuery,
        write: Callable[[Document], bytes],
        *conditions: Document,
        codec: CodecOptions[Document] = JSON_CODEC,
        join: Join | None = None,
    ) -> Response:
        """Return the same page as JSON, which ``write`` makes of each document.

        The documents are decoded by ``codec``, and ``join`` adds to them what other collections
        have. A large page is read while it is sent.
        """
        page = await self._read(context, query, conditions, codec)
        if sum(sizes_of(page.found)) > LARGE_BYTES:
            batches = self._batches(context, page, write, codec, join)
            return context.paginator.stream(query, batches, page.end, page.total)
        documents = await self._whole(context.database, page.found, page.where, codec, join)
        items = b",".join(await run_cooperatively(map(write, documents)))
        return context.paginator.answer(query, items, page.end, page.total)

    def find(
        self,
        context: MongoContext,
        query: ListQuery,
        projection: Mapping[str, int],
        *conditions: Document,
    ) -> MongoCursor:
        """Return all documents from the query's cursor on, whatever its limit, in its order."""
        sort, start = parse_sort(query.sort), context.paginator.position(query)
        after = {} if start is None else after_cursor(sort, start)
        where = all_of(*conditions, self._filter(query), after)
        return context.database[self._collection].find(where, projection, sort=order_of(sort))

    async def _batches(
        self,
        context: MongoContext,
        page: _Slice,
        write: Callable[[Document], bytes],
        codec: CodecOptions[Document],
        join: Join | None,
    ) -> AsyncGenerator[Iterable[bytes]]:
        """Yield the documents of a page in batches of a few; each is a call of its own."""
        for found in in_batches(page.found, sizes_of(page.found)):
            work = partial(self._whole, context.database, found, page.where, codec, join)
            yield map(write, await context.store.call(work, writes=False))

    async def _read(
        self,
        context: MongoContext,
        query: ListQuery,
        conditions: Sequence[Document],
        codec: CodecOptions[Document],
    ) -> _Slice:
        """Read one page, of its large documents the sizes alone.

        Lists with offsets raise PageTooLarge where a page would end early, because the next offset
        would skip items.
        """
        collection = context.database[self._collection]
        where = all_of(*conditions, self._filter(query))
        total = await _count(collection, where, query)
        sort, start = parse_sort(query.sort), context.paginator.position(query)
        cursor: Any = collection.find_raw_batches(
            where if start is None else all_of(where, after_cursor(sort, start)),
            self._projection or small_or_size(field for field, _ in sort),
            sort=order_of(sort),
            skip=query.skip,
            limit=query.size + 1,
            batch_size=query.size + 1,
        )
        documents = await _decode(await anext(cursor, b""), codec)
        found: Sequence[Found] = documents
        if self._projection is None:
            found = [read_found(document) for document in documents]
        page, last = query.split_page(found)
        page, last = end_early(page, last, sizes_of(page), by_offset=query.by_offset)
        end = None if last is None else cursor_of(last, sort)
        if end is None and query.sort == self._followed:
            end = cursor_of(page[-1], sort) if page else start or START
            end = end._replace(has_more=False)
        return _Slice(page, end, total, where)

    async def _whole(
        self,
        database: Database,
        found: Sequence[Found],
        where: Document,
        codec: CodecOptions[Document],
        join: Join | None = None,
    ) -> Sequence[Document]:
        """Return the documents of a page; one that was removed or changed meanwhile is left out."""
        documents = cast("Sequence[Document]", found)
        keys = [item.key for item in found if isinstance(item, Large)]
        if keys:
            large = await self._read_large(database, keys, where, codec)
            all_ = [large.get(i.key) if isinstance(i, Large) else i for i in found]
            documents = [document for document in all_ if document is not None]
        if join is not None:
            await join(documents)
        return documents

    async def _read_large(
        self, database: Database, keys: list[Any], where: Document, codec: CodecOptions[Document]
    ) -> dict[Any, Document]:
        cursor = database[self._collection].find_raw_batches(
            all_of({"_id": {"$in": keys}}, where), sort=[("_id", 1)], batch_size=len(keys) + 1
        )
        large = {}
        async for batch in cursor:
            large.update({item["_id"]: item for item in await _decode(batch, codec)})
        return large

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


async def _count(collection: MongoCollection, where: Document, query: ListQuery) -> Total | None:
    """Return the total that a query requests.

    A page by number counts MOST_COUNTED documents at most; a longer list has at least one more.
    """
    if query.number is not None and query.count != "exact":
        counted = await collection.count_documents(where, limit=MOST_COUNTED + 1)
        return Total(counted, is_estimated=counted > MOST_COUNTED)
    if query.count == "none":
        return None
    if query.count == "estimated" and not where:
        return Total(await collection.estimated_document_count(), is_estimated=True)
    return Total(await collection.count_documents(where))


async def _decode(batch: bytes, codec: CodecOptions[Document]) -> list[Document]:
    """Decode here, because in Motor's threads the event loop would wait for the GIL as long."""
    return await run_cooperatively(decode_iter(batch, codec))
