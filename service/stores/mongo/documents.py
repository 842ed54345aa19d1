"""Former names of the list functions, until every repository has a `MongoListing`."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from fastapi import Response

from service.stores.mongo.client import Database, Document, MongoCollection
from service.stores.mongo.filters import after_cursor as beyond
from service.stores.mongo.filters import as_filter
from service.stores.mongo.listing import MongoListing
from service.web.pagination import ListQuery, Page, Paginator

__all__ = ["as_filter", "beyond", "mongo_json_page", "mongo_page"]
T = TypeVar("T")


async def mongo_page(
    collection: MongoCollection,
    where: Document,
    query: ListQuery,
    paginator: Paginator,
    read: Callable[[Document], T],
    *,
    projection: Mapping[str, int] | None = None,
) -> Page[T]:
    """Return one page; see `MongoListing.page`."""
    listing, database = MongoListing(collection.name, projection=projection), _database(collection)
    return await listing.page(database, query, paginator, read, where)


async def mongo_json_page(
    collection: MongoCollection,
    where: Document,
    query: ListQuery,
    paginator: Paginator,
    write: Callable[[Document], str],
    *,
    projection: Mapping[str, int] | None = None,
) -> Response:
    """Return one page as JSON; see `MongoListing.json_page`."""
    listing, database = MongoListing(collection.name, projection=projection), _database(collection)
    return await listing.json_page(database, query, paginator, write, where)


def _database(collection: MongoCollection) -> Database:
    owner: Any = collection  # Motor's stub gives `database` another type
    database: Database = owner.database
    return database
