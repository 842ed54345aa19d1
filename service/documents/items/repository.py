"""Items in MongoDB."""

from typing import Annotated
from uuid import UUID

import bson
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from service.auth.caller import CurrentCaller
from service.core.errors import Conflict, NotFound, PreconditionFailed, TooLarge
from service.documents.items.documents import ITEMS, as_money, new_item, read_item
from service.documents.items.item_types import ItemTypes
from service.documents.items.merge_patch import merged
from service.documents.items.schemas import ItemCreate, ItemQuery, ItemRead, ItemSearch, ItemUpdate
from service.documents.items.search import compile_search
from service.stores.mongo.client import Document, MongoDatabase, now
from service.stores.mongo.documents import as_filter, change_document, mongo_page
from service.stores.mongo.errors import violated_index
from service.web.conditional import Expected
from service.web.context import provided
from service.web.idempotency_key import KeyReused, RequestedKey
from service.web.pagination import Page, Paging
from service.web.schemas import changes

TRIES, MOST_BYTES = 20, 2_097_152
NO_OWNER = UUID(int=0)


class ItemNotFound(NotFound):
    code, title = "item_not_found", "There is no such item"
    detail = "No item has this id, or it was deleted; POST …/restore brings a deleted one back."


class ItemKeyUsed(Conflict):
    code, title = "idempotency_key_used", "An item was made under this Idempotency-Key"
    constraints = "uq_items_idempotency_key"


class ItemContended(Conflict):
    code, title = "item_contended", "Too many changes to this item at once"
    detail = "Read it again and repeat the change."


class ItemTooLarge(TooLarge):
    code, title = "item_too_large", "The item would become too large"
    detail = f"Its attributes may take {MOST_BYTES} bytes of BSON in all."


_FIELDS = {
    "name": "name",
    "type": "type",
    "tag": "tags",
    "price": "price",
    "created_at": "created_at",
}


class ItemRepository:
    """Whoever lacks ``items:admin`` sees and changes their own items alone."""

    def __init__(
        self, database: MongoDatabase, paginator: Paging, types: ItemTypes, caller: CurrentCaller
    ) -> None:
        self._items, self._paginator, self._types = database[ITEMS], paginator, types
        self._caller = caller

    async def get(self, item_id: UUID) -> ItemRead:
        return read_item(await self._get(item_id))

    async def list(self, query: ItemQuery) -> Page[ItemRead]:
        filters = query.filters()
        filters.pop("deleted", None)
        for bound in ("price__gte", "price__lte"):
            if bound in filters:
                filters[bound] = as_money(filters[bound])
        where = {**self._seen(query.deleted), **as_filter(filters, _FIELDS)}
        return await mongo_page(self._items, where, query, self._paginator, read_item)

    async def search(self, search: ItemSearch) -> Page[ItemRead]:
        where = {"$and": [self._seen(), compile_search(search.where)]}
        return await mongo_page(self._items, where, search, self._paginator, read_item)

    async def add(self, item: ItemCreate, sent: RequestedKey | None) -> tuple[ItemRead, bool]:
        """The new item; or the one that the same key made before, and True.

        The key stands in the document it made, so one atomic write decides between two requests.
        """
        await self._types.check(item.type, item.attributes)
        owner_id = self._caller.owner_for(item.owner_id, "items:admin", "/owner_id")
        values = {**item.model_dump(), "owner_id": owner_id, "price": as_money(item.price)}
        if sent is not None:
            values.update(idempotency_key=sent.key, fingerprint=sent.fingerprint)
        document = new_item(values)
        try:
            await self._items.insert_one(document)
        except DuplicateKeyError as error:
            if sent is None or violated_index(error.details or {}) != ItemKeyUsed.constraints:
                raise
            return await self._made_under(sent), True
        return read_item(document), False

    async def _made_under(self, sent: RequestedKey) -> ItemRead:
        document = await self._items.find_one({"idempotency_key": sent.key})
        if document is None:
            raise ItemKeyUsed
        if not sent.was_sent_with(document["fingerprint"]):
            raise KeyReused
        return read_item(document)

    async def change(self, item_id: UUID, change: ItemUpdate, expected: Expected) -> ItemRead:
        """Merges into what is stored and replaces exactly that, or starts again."""
        for _ in range(TRIES):
            current = await self._get(item_id)
            if expected is not None and current["version"] not in expected:
                raise PreconditionFailed
            values = await self._merged(current, change)
            changed = await self._items.find_one_and_update(
                {"_id": item_id, "version": current["version"], **self._seen()},
                {"$set": {**values, "updated_at": now()}, "$inc": {"version": 1}},
                return_document=ReturnDocument.AFTER,
            )
            if changed is not None:
                return read_item(changed)
        raise ItemContended

    async def remove(self, item_id: UUID, expected: Expected) -> None:
        where = {"_id": item_id, **self._seen()}
        values = {"deleted_at": now()}
        await change_document(self._items, where, values, expected, ItemNotFound)

    async def restore(self, item_id: UUID) -> ItemRead:
        """Brings a deleted item back; one that was not deleted stays as it is."""
        await self._items.update_one(
            {"_id": item_id, **self._seen(deleted=True)},
            {"$set": {"deleted_at": None, "updated_at": now()}, "$inc": {"version": 1}},
        )
        return await self.get(item_id)

    async def _get(self, item_id: UUID) -> Document:
        document = await self._items.find_one({"_id": item_id, **self._seen()})
        if document is None:
            raise ItemNotFound
        return document

    async def _merged(self, current: Document, change: ItemUpdate) -> Document:
        values = changes(change)
        if "price" in values:
            values["price"] = as_money(values["price"])
        if "attributes" in values:
            values["attributes"] = merged(current["attributes"], values["attributes"])
            if len(bson.encode(values["attributes"])) > MOST_BYTES:
                raise ItemTooLarge
        after = {**current, **values}
        if "attributes" in values or "type" in values:
            await self._types.check(after["type"], after["attributes"])
        return values

    def _seen(self, deleted: bool = False) -> Document:
        """The base of every query: what the caller may see."""
        seen: Document = {"deleted_at": {"$ne": None} if deleted else None}
        if not self._caller.has_scope("items:admin"):
            seen["owner_id"] = self._caller.user_id or NO_OWNER
        return seen


Items = Annotated[ItemRepository, provided(ItemRepository)]
