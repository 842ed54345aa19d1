"""Item types in MongoDB, and the validation of attributes against their JSON Schema."""

import json
from typing import Annotated, Any

from fastapi import Depends
from typing_extensions import override

from service.core.errors import NotFound, Refused, field_error
from service.documents.items.documents import ITEM_TYPES, read_item_type
from service.documents.items.json_schema import measure_schema
from service.documents.items.schema_process import schema_process
from service.documents.items.schemas import ItemTypeRead, ItemTypeWrite
from service.stores.mongo.client import Document
from service.stores.mongo.filters import all_of
from service.stores.mongo.repository import MongoRepository
from service.web.conditional import Expected
from service.web.problems import pointer_to

MAX_TYPES = 1000


class ItemTypeNotFound(NotFound):
    code, title = "item_type_not_found", "Item type does not exist"
    detail = "PUT a JSON Schema here to create the type; without it, items are not validated."


class SchemaMismatch(Refused):
    code, title = "schema_mismatch", "Attributes do not match the JSON Schema of their type"
    detail = "Correct the places named in errors; GET /v1/item_types/{name} returns the schema."


class ItemTypeRepository(MongoRepository[ItemTypeRead]):
    """All callers see all types; a removed type keeps its document without a schema.

    Items of a removed type are no longer validated.
    """

    collection, schema, missing = ITEM_TYPES, ItemTypeRead, ItemTypeNotFound

    @override
    def visible(self) -> Document:
        return {"json_schema": {"$ne": None}}

    @override
    def removal(self) -> Document:
        return {"json_schema": None}

    @override
    def read(self, document: Document) -> ItemTypeRead:
        return read_item_type(document)

    async def list(self) -> list[ItemTypeRead]:
        documents = self._documents.find(self.visible()).sort("_id").limit(MAX_TYPES)
        return [self.read(document) for document in await documents.to_list(None)]

    async def put(self, name: str, body: ItemTypeWrite, expected: Expected) -> ItemTypeRead:
        """Create the type or replace its schema; existing items stay as they are."""
        text = json.dumps(body.json_schema, sort_keys=True)
        schema = measure_schema(text)
        if schema.is_small:
            schema.compile()
        else:
            await schema_process.violations(text, {})
        return await self._put(self._is(name), {"json_schema": text}, {}, expected)

    async def check(self, name: str, attributes: dict[str, Any]) -> None:
        """Validate attributes against the type's schema, if the type exists.

        Raises:
            SchemaMismatch: with a pointer for each of the first errors.
            ValidationTooCostly, ValidationBusy: it takes too long.
        """
        where = all_of(self._is(name), self.visible())
        document = await self._documents.find_one(where, {"json_schema": 1})
        if document is None:
            return
        text = document["json_schema"]
        schema = measure_schema(text)
        if schema.is_small_for(attributes):
            violations = schema.violations(attributes)
        else:
            violations = await schema_process.violations(text, attributes)
        errors = [
            field_error(
                pointer=pointer_to(("attributes", *path)),
                code=SchemaMismatch.code,
                detail=f"Match {pointer_to(schema_path) or 'all'} of the schema.",
            )
            for path, schema_path in violations
        ]
        if errors:
            raise SchemaMismatch(errors=errors)


ItemTypes = Annotated[ItemTypeRepository, Depends(ItemTypeRepository.from_request)]
