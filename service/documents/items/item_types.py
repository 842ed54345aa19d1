"""Item types in MongoDB, and the check of items against their JSON Schema."""

import json
from typing import Annotated, Any

from pymongo import ReturnDocument

from service.core.errors import FieldError, NotFound, PreconditionFailed, Refused
from service.documents.items.documents import ITEM_TYPES, read_item_type
from service.documents.items.json_schema import compiled
from service.documents.items.schemas import ItemTypeRead, ItemTypeWrite
from service.stores.mongo.client import Document, MongoDatabase, now
from service.stores.mongo.documents import as_expected, change_document
from service.web.conditional import Expected
from service.web.context import provided
from service.web.problems import pointer_to

MOST_TYPES = 1000
_THERE: Document = {"json_schema": {"$ne": None}}


class ItemTypeNotFound(NotFound):
    code, title = "item_type_not_found", "There is no such item type"
    detail = "Items of this type are not checked; PUT a JSON Schema here to have them checked."


class SchemaMismatch(Refused):
    code, title = "schema_mismatch", "The attributes do not fit the JSON Schema of their type"
    detail = "errors names each place; GET /v1/item_types/{name} shows the schema."


class ItemTypeRepository:
    def __init__(self, database: MongoDatabase) -> None:
        self._types = database[ITEM_TYPES]

    async def get(self, name: str) -> ItemTypeRead:
        document = await self._types.find_one({"_id": name, **_THERE})
        if document is None:
            raise ItemTypeNotFound
        return read_item_type(document)

    async def list(self) -> list[ItemTypeRead]:
        found = await self._types.find(_THERE).sort("_id").limit(MOST_TYPES).to_list(None)
        return [read_item_type(document) for document in found]

    async def put(self, name: str, body: ItemTypeWrite, expected: Expected) -> ItemTypeRead:
        """Makes the type or replaces its schema; the items there are stay as they are."""
        text = json.dumps(body.json_schema, sort_keys=True)
        compiled(text)
        moment = now()
        changed = await self._types.find_one_and_update(
            {"_id": name, **as_expected(expected)},
            {
                "$set": {"json_schema": text, "updated_at": moment},
                "$setOnInsert": {"created_at": moment},
                "$inc": {"version": 1},
            },
            upsert=expected is None,
            return_document=ReturnDocument.AFTER,
        )
        if changed is None:  # RFC 9110 13.1.1: what is not there matches no tag either
            raise PreconditionFailed
        return read_item_type(changed)

    async def remove(self, name: str, expected: Expected) -> None:
        """Items of this type are not checked any more.

        The document stays, without a schema: its version goes on, so that no ETag comes back.
        """
        where = {"_id": name, **_THERE}
        await change_document(self._types, where, {"json_schema": None}, expected, ItemTypeNotFound)

    async def check(self, name: str, attributes: dict[str, Any]) -> None:
        """Refuses attributes that do not fit the type's schema, if there is one."""
        document = await self._types.find_one({"_id": name, **_THERE}, {"json_schema": 1})
        if document is None:
            return
        found = compiled(document["json_schema"]).iter_errors(attributes)
        errors = [
            FieldError(
                pointer=pointer_to(("attributes", *error.instance_path)),
                code="schema_mismatch",
                detail=f"Breaks the schema's {pointer_to(error.schema_path)}.",
            )
            for error, _ in zip(found, range(20), strict=False)
        ]
        if errors:
            raise SchemaMismatch(errors=errors)


ItemTypes = Annotated[ItemTypeRepository, provided(ItemTypeRepository)]
