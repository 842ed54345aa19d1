"""Items in MongoDB."""

import asyncio
from contextlib import suppress
from typing import Annotated
from uuid import UUID

import bson
from fastapi import Depends, Response
from pymongo.errors import DuplicateKeyError
from typing_extensions import override

from service.core.errors import Conflict, NotFound, OutcomeUnknown, PreconditionFailed, TooLarge
from service.documents.items.documents import (
    ITEMS,
    check_storable,
    new_item,
    to_decimal128,
)
from service.documents.items.item_types import ItemTypeRepository
from service.documents.items.merge_patch import merge
from service.documents.items.schemas import ItemCreate, ItemQuery, ItemRead, ItemSearch, ItemUpdate
from service.documents.items.search import any_form, compile_search
from service.stores.mongo.client import CODEC, Document, now
from service.stores.mongo.context import MongoContext
from service.stores.mongo.errors import violated_index
from service.stores.mongo.filters import all_of
from service.stores.mongo.json_values import to_bson
from service.stores.mongo.listing import MongoListing
from service.stores.mongo.repository import MongoRepository
from service.web.conditional import Expected
from service.web.idempotency_key import KeyReused, RequestedKey
from service.web.schemas import changes

MAX_TRIES, MAX_ATTRIBUTE_BYTES = 20, 2_097_152
MAX_REPLAY_READS, SECONDS_BETWEEN_READS = 25, 0.02


class ItemNotFound(NotFound):
    code, title = "item_not_found", "Item does not exist"
    detail = "Check the id; POST …/restore restores a deleted item."


class ItemKeyUsed(Conflict):
    code, title = "idempotency_key_used", "Idempotency-Key belongs to another item"
    detail = "Send the request with a new key."
    constraints = "uq_items_idempotency_key"


class OwnerFixed(Conflict):
    code, title, pointer = "owner_fixed", "Owner of an item cannot change", "/owner_id"
    detail = "Leave owner_id out, or send the owner that the item has."


class ItemContended(Conflict):
    code, title = "item_contended", "Too many concurrent changes to this item"
    detail = "Read the item again and repeat the change."


class ItemTooLarge(TooLarge):
    code, title = "item_too_large", "Attributes of the item are too large"
    detail = f"Reduce them to {MAX_ATTRIBUTE_BYTES} bytes of BSON."


class ItemRepository(MongoRepository[ItemRead]):
    """Callers without ``items:admin`` see and change their own items alone."""

    collection, schema, missing = ITEMS, ItemRead, ItemNotFound
    listing = MongoListing(
        ITEMS,
        ItemQuery,
        filters={
            "type": "type",
            "price": "price",
            "created_at": "created_at",
        },
        elsewhere=["name", "name__in", "tag", "tag__in", "deleted"],
    )
    searches = MongoListing(ITEMS, ItemSearch, elsewhere=["where"])

    def __init__(self, context: MongoContext) -> None:
        super().__init__(context)
        self._types = ItemTypeRepository(context)

    @override
    def visible(self) -> Document:
        return {"deleted_at": None, **self._own()}

    def _own(self) -> Document:
        return self.owned_by_caller("owner_id", unless="items:admin")

    def _deleted(self) -> Document:
        return {"deleted_at": {"$ne": None}, **self._own()}

    async def list(self, query: ItemQuery) -> Response:
        visible = self._deleted() if query.deleted else self.visible()
        named = [
            any_form("name", query.name),
            any_form("name", *query.name__in or ()),
            any_form("tags", query.tag),
            any_form("tags", *query.tag__in or ()),
        ]
        return await self.listing.json_page(
            self._context, query, self._write, visible, *named, codec=CODEC
        )

    async def search(self, search: ItemSearch) -> Response:
        conditions = self.visible(), compile_search(search.where)
        return await self.searches.json_page(
            self._context, search, self._write, *conditions, codec=CODEC
        )

    async def add(self, item: ItemCreate, key: RequestedKey | None) -> tuple[ItemRead, bool]:
        """Create an item; return it and False, or the item of a repeated request and True.

        The Idempotency-Key is stored in the item itself, so one atomic write decides between
        concurrent requests.
        """
        values = await self._whole(item)
        values["owner_id"] = self._caller.owner_for(item.owner_id, "items:admin", "/owner_id")
        if key is not None:
            values.update(idempotency_key=key.key, fingerprint=key.fingerprint)
        document = new_item(values)
        try:
            await self._documents.insert_one(document)
        except DuplicateKeyError as error:
            if key is None or violated_index(error.details or {}) != ItemKeyUsed.constraints:
                raise
            return await self._replay(key), True
        return self.read(document), False

    async def _replay(self, key: RequestedKey) -> ItemRead:
        """Return the item that an earlier request with this key created.

        Wait until a majority has it, because it could be rolled back until then.

        Raises:
            KeyReused: the earlier request was another.
            OutcomeUnknown: a majority does not have the item after half a second.
        """
        for _ in range(MAX_REPLAY_READS):
            document = await self._documents.find_one({"idempotency_key": key.key})
            if document is not None:
                if not key.was_sent_with(document["fingerprint"]):
                    raise KeyReused
                return self.read(document)
            await asyncio.sleep(SECONDS_BETWEEN_READS)
        raise OutcomeUnknown("Another request with this key is not durable yet; send it again.")

    async def change(self, item_id: UUID, change: ItemUpdate, expected: Expected) -> ItemRead:
        """Merge the change into the version that was read; start again if it changed meanwhile."""
        for _ in range(MAX_TRIES):
            current = await self._get_expected(item_id, expected)
            values = await self._merge(current, change)
            with suppress(PreconditionFailed):
                version = frozenset({current.version})
                return self.read(await self._change(self._is(item_id), values, version))
        raise ItemContended

    async def replace(self, item_id: UUID, item: ItemCreate, expected: Expected) -> ItemRead:
        """Replace all fields that a client sends; the owner stays.

        Raises:
            OwnerFixed: another owner is named.
        """
        current = await self._get_expected(item_id, expected)
        if item.owner_id not in (None, current.owner_id):
            raise OwnerFixed
        values = await self._whole(item)
        return self.read(await self._change(self._is(item_id), values, expected))

    async def _whole(self, item: ItemCreate) -> Document:
        """Return the fields that a client sends, but the owner, checked by the type's schema."""
        check_storable(item.attributes)
        await self._types.check(item.type, item.attributes)
        values = {**item.model_dump(exclude={"owner_id"}), "price": to_decimal128(item.price)}
        return {**values, "attributes": to_bson(item.attributes)}

    async def _get_expected(self, item_id: UUID, expected: Expected) -> ItemRead:
        current = await self.get(item_id)
        if expected is not None and current.version not in expected:
            raise PreconditionFailed
        return current

    async def _merge(self, current: ItemRead, change: ItemUpdate) -> Document:
        """Return the fields to set, checked against the type's schema and the size limit."""
        values = changes(change)
        if "price" in values:
            values["price"] = to_decimal128(values["price"])
        attributes = current.attributes
        if "attributes" in values:
            attributes = merge(attributes, values["attributes"])
            check_storable(attributes)
            values["attributes"] = to_bson(attributes)
            if len(bson.encode(values["attributes"])) > MAX_ATTRIBUTE_BYTES:
                raise ItemTooLarge
        if "attributes" in values or "type" in values:
            await self._types.check(values.get("type", current.type), attributes)
        return values

    async def restore(self, item_id: UUID) -> ItemRead:
        """Restore a deleted item; an item that is not deleted stays as it is."""
        await self._documents.update_one(
            all_of(self._is(item_id), self._deleted()),
            {"$set": {"deleted_at": None, "updated_at": now()}, "$inc": {"version": 1}},
        )
        return await self.get(item_id)


Items = Annotated[ItemRepository, Depends(ItemRepository.from_request)]
