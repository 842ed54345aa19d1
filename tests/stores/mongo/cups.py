"""Cups: a collection with a repository, for tests of what all repositories share."""

from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from service.core.errors import NotFound
from service.stores.mongo.client import Document, now
from service.stores.mongo.repository import MongoRepository
from service.web.conditional import Expected
from service.web.pagination import OffsetQuery, Page


class CupNotFound(NotFound):
    code = "cup_not_found"


class CupQuery(OffsetQuery):
    name: str | None = None
    size__gte: int | None = None
    owner_id: UUID | None = None
    broken: bool = False


class CupRepository(MongoRepository):
    collection, not_found = "cups", CupNotFound
    filters = {"name": "name", "size": "size", "owner_id": "owner_id"}

    async def get(self, cup_id: UUID) -> Document:
        return await self._get(self._one(cup_id))

    async def list(self, query: CupQuery) -> Page[UUID]:
        return await self._listing.page(query, self._visible(), lambda document: document["_id"])

    async def list_json(self, query: CupQuery) -> bytes:
        response = await self._listing.json_page(
            query, self._visible(), lambda document: f'"{document["_id"]}"'
        )
        return bytes(response.body)

    async def put(self, name: str, size: int, expected: Expected) -> Document:
        return await self._put({"name": name}, {"size": size}, {"_id": uuid7()}, expected)

    async def change(self, cup_id: UUID, expected: Expected, **values: Any) -> Document:
        return await self._change(self._one(cup_id), values, expected)

    async def remove(self, cup_id: UUID, expected: Expected) -> None:
        await self._remove(self._one(cup_id), expected)

    async def add(self, **values: Any) -> UUID:
        """Insert a cup that belongs to the caller, unless ``values`` say otherwise."""
        first = {"version": 1, "created_at": now(), "deleted_at": None}
        document = {"_id": uuid7(), "owner_id": self._caller.user_id, **first, **values}
        await self._documents.insert_one(document)
        cup_id: UUID = document["_id"]
        return cup_id

    def _visible(self) -> Document:
        return {"deleted_at": None, **self._owned(unless="items:admin")}

    def _one(self, cup_id: UUID) -> Document:
        return {"_id": cup_id, **self._visible()}
