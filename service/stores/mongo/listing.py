"""Lists from MongoDB: one builder, and its pages as schemas or as JSON."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from bson import decode_iter
from fastapi import Response

from service.core.cooperative import run_cooperatively
from service.core.errors import Refused
from service.stores.mongo.client import CODEC, Document, MongoCollection
from service.stores.mongo.filters import after_cursor, as_filter, both
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
    """A list of the documents of one collection.

    Args:
        collection: the documents.
        paginator: the one of the request.
        filters: document fields compared by ``field=`` and ``field__op=`` of the query, by name;
            other filters of the query are left to the repository.
        projection: what is read of a document, if not all of it.
    """

    def __init__(
        self,
        collection: MongoCollection,
        paginator: Paginator,
        *,
        filters: Mapping[str, str] | None = None,
        projection: Mapping[str, int] | None = None,
    ) -> None:
        self._collection, self._paginator = collection, paginator
        self._filters, self._projection = filters or {}, projection

    async def page(
        self, query: ListQuery, where: Document, read: Callable[[Document], T]
    ) -> Page[T]:
        """Return one page of the documents that match ``where``; ``read`` makes an item of each.

        Raises:
            BadCursor: the cursor belongs to another list.
            PageTooLarge: the documents of a page with an offset exceed 16 MiB.
        """
        documents, end, total = await self._read(query, where)
        return self._paginator.page(query, [read(document) for document in documents], end, total)

    async def json_page(
        self, query: ListQuery, where: Document, write: Callable[[Document], str]
    ) -> Response:
        """Return the same page as a JSON response; ``write`` makes JSON of each document."""
        documents, end, total = await self._read(query, where)
        items = ",".join(await run_cooperatively(map(write, documents)))
        return self._paginator.answer(query, f"[{items}]", end, total)

    async def _read(self, query: ListQuery, where: Document) -> _Slice:
        """Read one page. Documents of equal sort value are ordered by ``_id``, so none is lost.

        A page ends with MongoDB's first batch (16 MiB), so it may hold fewer items than ``limit``.
        Lists with offsets raise PageTooLarge instead, because the next offset would skip items.
        """
        where = self._narrow(where, query)
        order = Sort.parse(query.sort)
        direction = -1 if order.descending else 1
        total = await self._count(where, query.count)
        start = self._paginator.position(query)
        if start is not None:
            where = both(where, after_cursor(order, start))
        cursor = self._collection.find_raw_batches(
            where,
            self._projection,
            sort=[(order.field, direction), ("_id", direction)],
            skip=getattr(query, "offset", 0),
            limit=query.limit + 1,
            batch_size=query.limit + 1,
        )
        documents, is_cut = await _first_batch(cursor)
        counts_pages = start is None and isinstance(query, OffsetQuery)
        if counts_pages and is_cut and len(documents) < query.limit:
            raise PageTooLarge(len(documents))
        page, last = query.split_page(documents)
        if is_cut:
            last = page[-1]
        end = None if last is None else Cursor(last[order.field], last["_id"])
        return _Slice(page, end, total)

    def _narrow(self, where: Document, query: ListQuery) -> Document:
        if not self._filters:
            return where
        declared = {
            name: value
            for name, value in query.filters().items()
            if name.partition("__")[0] in self._filters
        }
        return both(where, as_filter(declared, self._filters))

    async def _count(self, where: Document, how: str) -> int | None:
        if how == "none":
            return None
        if how == "estimated" and not where:
            return await self._collection.estimated_document_count()
        return await self._collection.count_documents(where)


async def _first_batch(cursor: Any) -> tuple[list[Document], bool]:
    """Return the documents of a raw cursor's first batch, and whether more follow.

    They are decoded here, because in Motor's threads the event loop would wait for the GIL as long.
    """
    batch = await anext(cursor, b"")
    documents = await run_cooperatively(decode_iter(batch, CODEC))
    if is_cut := cursor.alive:
        await cursor.close()
    return documents, is_cut
