"""The base of repositories on MongoDB: get or raise, list, put, change with If-Match, remove."""

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from bson.decimal128 import Decimal128
from pymongo import ReturnDocument

from service.core.errors import Collision, NotFound, PreconditionFailed
from service.stores.mongo.client import Document, now
from service.stores.mongo.context import MongoContext, MongoService
from service.stores.mongo.filters import all_of, as_expected
from service.stores.mongo.listing import MongoListing
from service.web.conditional import Expected
from service.web.lists.pagination import ListQuery, Page
from service.web.schemas import ResponseModel

R = TypeVar("R", bound=ResponseModel)
NO_USER = UUID(int=0)
MAX_TRIES = 3


def read_document(schema: type[R], document: Document) -> R:
    """Return a document as its schema; its ``_id`` is the ``id``, BSON's decimals are Decimal.

    A document stored before a field was added lacks it. The field then is the schema's default, or
    else None.
    """
    values = {
        name: value.to_decimal() if isinstance(value, Decimal128) else value
        for name, value in document.items()
    }
    return schema.model_validate({**_absent(schema), "id": document.get("_id"), **values})


@cache
def _absent(schema: type[ResponseModel]) -> Mapping[str, None]:
    fields = schema.model_fields.items()
    return dict.fromkeys(name for name, field in fields if field.is_required())


class MongoRepository(MongoService, Generic[R]):
    """One collection, the schema that its documents are read into, and the error without one.

    A feature defines in ``visible`` what the caller may see and change, and in ``removal`` what a
    removed document is. Single reads, changes and lists share both.
    """

    collection: ClassVar[str]
    schema: type[R]
    missing: ClassVar[type[NotFound]]
    listing: ClassVar[MongoListing]
    projection: ClassVar[Mapping[str, int] | None] = None

    def __init__(self, context: MongoContext) -> None:
        super().__init__(context)
        self._documents = self._database[self.collection]

    def visible(self) -> Document:
        """Return the filter of the documents that the caller may see."""
        return {"deleted_at": None}

    def removal(self) -> Document:
        """Return the fields that a removal sets, so that the document is no longer visible."""
        return {"deleted_at": now()}

    def owned_by_caller(self, field: str, *, unless: str) -> Document:
        """Return the filter of the caller's own documents; of all with the scope ``unless``.

        A caller without a user owns none, not even documents without an owner.
        """
        if self._caller.has_scope(unless):
            return {}
        return {field: self._caller.user_id or NO_USER}

    def read(self, document: Document) -> R:
        """Return a document as it is answered."""
        return read_document(self.schema, document)

    async def get(self, key: Any) -> R:
        """Return the document of this key; raise ``missing`` if the caller sees none."""
        return await self._get(self._is(key))

    async def remove(self, key: Any, expected: Expected) -> None:
        """Remove the document if its version is as expected; raises as ``_change`` does.

        The document stays, because its version must go on: a later document of the same key would
        otherwise repeat an ETag.
        """
        await self._change(self._is(key), self.removal(), expected)

    async def _get(self, where: Document) -> R:
        document = await self._documents.find_one(all_of(where, self.visible()), self.projection)
        if document is None:
            raise self.missing
        return self.read(document)

    async def _page(self, query: ListQuery, *conditions: Document) -> Page[R]:
        return await self.listing.page(self._context, query, self.read, *conditions)

    def _write(self, document: Document) -> bytes:
        return self.read(document).model_dump_json().encode()

    async def _put(
        self, where: Document, values: Document, created: Document, expected: Expected
    ) -> R:
        """Create the document or set its fields, in one atomic write; return it.

        Args:
            where: its key, compared for equality, which a new document gets; removed documents
                match too.
            values: the fields to set.
            created: the fields that only a new document gets.
            expected: the versions that If-Match allows; a missing document matches none of them
                (RFC 9110 13.1.1).

        Raises:
            PreconditionFailed: its version is none of ``expected``.
        """
        moment = now()
        document = await self._documents.find_one_and_update(
            {**where, **as_expected(expected)},
            {
                "$set": {**values, "updated_at": moment},
                "$setOnInsert": {**created, "created_at": moment},
                "$inc": {"version": 1},
            },
            upsert=expected is None,
            return_document=ReturnDocument.AFTER,
        )
        if document is None:
            raise PreconditionFailed
        return self.read(document)

    async def _change(self, where: Document, values: Document, expected: Expected) -> Document:
        """Set fields of the document and count its version, if that is as expected; return it.

        Without values nothing is changed and no version counted.

        Raises:
            NotFound: no such document that the caller sees, as the kind ``missing``.
            PreconditionFailed: its version is none of ``expected``.
            Collision: others removed and restored it each time.
        """
        where = all_of(where, self.visible())
        for _ in range(MAX_TRIES):
            wanted = all_of(where, as_expected(expected))
            if values:
                document: Document | None = await self._documents.find_one_and_update(
                    wanted,
                    {"$set": {**values, "updated_at": now()}, "$inc": {"version": 1}},
                    return_document=ReturnDocument.AFTER,
                )
            else:
                document = await self._documents.find_one(wanted)
            if document is not None:
                return document
            if await self._documents.find_one(where, {"_id": 1}) is None:
                raise self.missing
            if expected is not None:
                raise PreconditionFailed
        raise Collision

    def _is(self, key: Any) -> Document:
        return {"_id": key}
