"""Base of the repositories of document features: get, list, put, change and remove documents."""

from collections.abc import Mapping
from typing import ClassVar
from uuid import UUID

from pymongo import ReturnDocument

from service.core.errors import NotFound, PreconditionFailed
from service.stores.mongo.client import Document, now
from service.stores.mongo.context import MongoContext, MongoService
from service.stores.mongo.filters import as_expected
from service.stores.mongo.listing import MongoListing
from service.web.conditional import Expected

NO_USER = UUID(int=0)


class MongoRepository(MongoService):
    """Repository of one collection.

    The methods take a filter ``where``. It begins with the base query of the feature, which decides
    in one place which documents the caller may see.
    """

    collection: ClassVar[str]
    not_found: ClassVar[type[NotFound]]
    filters: ClassVar[Mapping[str, str]] = {}  # of lists: the document's field for each name
    projection: ClassVar[Mapping[str, int] | None] = None

    def __init__(self, context: MongoContext) -> None:
        super().__init__(context)
        self._documents = self._database[self.collection]
        self._listing = MongoListing(
            self._documents, self._paginator, filters=self.filters, projection=self.projection
        )

    def _owned(self, *, unless: str) -> Document:
        """Return the filter for the caller's own documents, or for all with the scope ``unless``.

        A caller without a user owns none, not even documents without an owner.
        """
        if self._caller.has_scope(unless):
            return {}
        return {"owner_id": self._caller.user_id or NO_USER}

    async def _get(self, where: Document) -> Document:
        """Return the document.

        Raises:
            NotFound: no document matches.
        """
        document = await self._documents.find_one(where, self.projection)
        if document is None:
            raise self.not_found
        return document

    async def _put(
        self, where: Document, values: Document, created: Document, expected: Expected
    ) -> Document:
        """Create or update the document in one atomic write; return it as it is afterwards.

        Args:
            where: its key, with plain values, which a new document gets.
            values: fields to set.
            created: fields that a new document gets besides.
            expected: versions that If-Match allows; none of them matches a missing document
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
        return document

    async def _change(self, where: Document, values: Document, expected: Expected) -> Document:
        """Set fields of the document and increment its version; return it as it is afterwards.

        Raises:
            NotFound: no document matches.
            PreconditionFailed: its version is none of ``expected``.
        """
        document = await self._documents.find_one_and_update(
            {**where, **as_expected(expected)},
            {"$set": {**values, "updated_at": now()}, "$inc": {"version": 1}},
            return_document=ReturnDocument.AFTER,
        )
        if document is not None:
            return document
        if await self._documents.find_one(where, {"_id": 1}) is None:
            raise self.not_found
        raise PreconditionFailed

    async def _remove(
        self, where: Document, expected: Expected, values: Document | None = None
    ) -> None:
        """Mark the document as removed: with ``deleted_at``, or with ``values``.

        The document stays, because its version must go on: a later document under the same key
        would otherwise repeat an ETag. Raises what `_change` raises.
        """
        await self._change(where, values or {"deleted_at": now()}, expected)
