"""Cups: a collection with a repository, for tests of what all repositories share."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from typing_extensions import override
from uuid_utils.compat import uuid7

from service.core.errors import NotFound
from service.stores.mongo.client import Document, now
from service.stores.mongo.listing import MongoListing
from service.stores.mongo.repository import MongoRepository
from service.web.conditional import Expected
from service.web.lists.pagination import OffsetQuery, Page
from service.web.schemas import Versioned

CUPS = "cups"


class CupNotFound(NotFound):
    code = "cup_not_found"


class CupRead(Versioned):
    id: UUID
    size: int | None
    price: Decimal | None
    colour: str = "white"


class CupQuery(OffsetQuery):
    name: str | None = None
    size__gte: int | None = None
    owner_id: UUID | None = None


class CupRepository(MongoRepository[CupRead]):
    collection, schema, missing = CUPS, CupRead, CupNotFound
    listing = MongoListing(
        CUPS, CupQuery, filters={"name": "name", "size": "size", "owner_id": "owner_id"}
    )

    @override
    def visible(self) -> Document:
        return {"deleted_at": None, **self.owned_by_caller("owner_id", unless="items:admin")}

    async def list(self, query: CupQuery) -> Page[CupRead]:
        return await self._page(query, self.visible())

    async def list_json(self, query: CupQuery) -> bytes:
        response = await self.listing.json_page(self._context, query, self._write, self.visible())
        return bytes(response.body)

    async def put(self, name: str, size: int, expected: Expected) -> CupRead:
        return await self._put({"name": name}, {"size": size}, {"_id": uuid7()}, expected)

    async def change(self, cup_id: UUID, expected: Expected, **values: Any) -> Document:
        return await self._change(self._is(cup_id), values, expected)

    async def add(self, **values: Any) -> UUID:
        """Insert a cup that belongs to the caller, unless ``values`` say otherwise."""
        first = {"version": 1, "created_at": now(), "deleted_at": None}
        document = {"_id": uuid7(), "owner_id": self._caller.user_id, **first, **values}
        await self._documents.insert_one(document)
        cup_id: UUID = document["_id"]
        return cup_id
