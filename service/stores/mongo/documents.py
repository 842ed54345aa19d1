"""The verbs every repository on MongoDB needs: list a page and change a document."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from bson import decode_iter
from fastapi import Response
from pymongo import ReturnDocument

from service.core.cooperative import run_cooperatively
from service.core.errors import NotFound, PreconditionFailed, Refused
from service.stores.mongo.client import CODEC, Document, MongoCollection, now
from service.web.conditional import Expected
from service.web.pagination import Cursor, ListQuery, OffsetQuery, Page, Paginator, Sort

T = TypeVar("T")
_OPERATORS = {"": "$eq", "ne": "$ne", "gt": "$gt", "gte": "$gte", "lt": "$lt", "lte": "$lte"}


class PageTooLarge(Refused):
    code, title = "page_too_large", "So many of these are too much for one answer"
    pointer = "/query/limit"

    def __init__(self, fitting: int) -> None:
        super().__init__(f"They are large, and {fitting} of them fit. Ask for as many or fewer.")


def as_filter(filters: Mapping[str, Any], fields: Mapping[str, str]) -> Document:
    """``field`` and ``field__op`` filters as a query document.

    A value always stands behind an operator of ours, so that nothing a client sends can be one.
    """
    found: Document = {}
    for name, value in filters.items():
        field, _, op = name.partition("__")
        found.setdefault(fields[field], {})[_OPERATORS[op]] = value
    return found


async def mongo_page(
    collection: MongoCollection,
    where: Document,
    query: ListQuery,
    paginator: Paginator,
    read: Callable[[Document], T],
    *,
    projection: Mapping[str, int] | None = None,
) -> Page[T]:
    """One page of the documents that match ``where``."""
    documents, end, total = await _found(collection, where, query, paginator, projection)
    return paginator.page(query, [read(document) for document in documents], end, total)


async def mongo_json_page(
    collection: MongoCollection,
    where: Document,
    query: ListQuery,
    paginator: Paginator,
    write: Callable[[Document], str],
    *,
    projection: Mapping[str, int] | None = None,
) -> Response:
    """The same as it goes out: ``write`` makes JSON of a document."""
    documents, end, total = await _found(collection, where, query, paginator, projection)
    items = ",".join(await run_cooperatively(map(write, documents)))
    return paginator.answer(query, f"[{items}]", end, total)


async def _found(
    collection: MongoCollection,
    where: Document,
    query: ListQuery,
    paginator: Paginator,
    projection: Mapping[str, int] | None,
) -> tuple[Sequence[Document], Cursor | None, int | None]:
    """Documents of equal sort value are ordered by ``_id``: no tie is lost or repeated.

    Of large ones a page holds fewer, what MongoDB sends at once, which is 16 MiB; where people
    count pages it is refused, since the next would leave some out. Decoded here and not in Motor's
    threads, for which the event loop would have to wait anyway.

    Raises:
        PageTooLarge: of a list whose pages can be counted, asked for without a cursor.
    """
    order = Sort.parse(query.sort)
    direction = -1 if order.descending else 1
    total = await _count(collection, where, query.count)
    start = paginator.position(query)
    if start is not None:
        where = {"$and": [where, beyond(order, start)]}
    cursor = collection.find_raw_batches(
        where,
        projection,
        sort=[(order.field, direction), ("_id", direction)],
        skip=getattr(query, "offset", 0),
        limit=query.limit + 1,
        batch_size=query.limit + 1,
    )
    found, is_cut = await _read(cursor)
    if len(found) < query.limit and is_cut and start is None and isinstance(query, OffsetQuery):
        raise PageTooLarge(len(found))
    documents, last = query.split_page(found)
    if is_cut:
        last = documents[-1]
    end = None if last is None else Cursor(last[order.field], last["_id"])
    return documents, end, total


async def _read(cursor: Any) -> tuple[list[Document], bool]:
    """The documents of a raw cursor's first batch; whether some are left."""
    batch = await anext(cursor, b"")
    found = await run_cooperatively(decode_iter(batch, CODEC))
    if is_cut := cursor.alive:
        await cursor.close()
    return found, is_cut


def beyond(order: Sort, start: Cursor) -> Document:
    """After ``start``; the plain bound comes first because it alone narrows the index scan."""
    op = "$lt" if order.descending else "$gt"
    return {
        order.field: {f"{op}e": start.value},
        "$or": [{order.field: {op: start.value}}, {"_id": {op: start.key}}],
    }


async def _count(collection: MongoCollection, where: Document, how: str) -> int | None:
    if how == "none":
        return None
    if how == "estimated" and not where:
        return await collection.estimated_document_count()
    return await collection.count_documents(where)


async def refuse_change(
    collection: MongoCollection, where: Document, missing: type[NotFound]
) -> NoReturn:
    """Says why a change found nothing: there is no such document, or it is not as expected."""
    if await collection.find_one(where, {"_id": 1}) is None:
        raise missing
    raise PreconditionFailed


def as_expected(expected: Expected) -> Document:
    """The part of a filter that holds only while the version is as expected."""
    return {} if expected is None else {"version": {"$in": sorted(expected)}}


async def change_document(
    collection: MongoCollection,
    where: Document,
    values: Document,
    expected: Expected,
    missing: type[NotFound],
) -> Document:
    """Sets fields of the one document of ``where`` and counts its version, if it is as expected.

    Raises:
        NotFound: no such document, as the kind ``missing``.
        PreconditionFailed: its version is none of ``expected``.
    """
    changed = await collection.find_one_and_update(
        {**where, **as_expected(expected)},
        {"$set": {**values, "updated_at": now()}, "$inc": {"version": 1}},
        return_document=ReturnDocument.AFTER,
    )
    if changed is None:
        await refuse_change(collection, where, missing)
    return changed
