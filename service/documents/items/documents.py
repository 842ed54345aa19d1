"""Documents of items and item types, and conversions of both."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any, TypedDict
from uuid import UUID

from bson.decimal128 import Decimal128
from uuid_utils.compat import uuid7

from service.core.errors import Refused, field_error
from service.documents.items.schemas import ItemTypeRead
from service.stores.mongo.client import Document, now
from service.stores.mongo.json_values import first_fault
from service.web.problems import pointer_to

ITEMS = "items"
ITEM_TYPES = "item_types"


class ItemDocument(TypedDict, total=False):
    """One item. ``_id`` is its id; the last two fields exist if an Idempotency-Key was sent.

    ``owner_id`` is a user of PostgreSQL; items from before there were owners have none.
    """

    _id: UUID
    owner_id: UUID | None
    name: str
    type: str
    attributes: dict[str, Any]
    tags: list[str]
    price: Decimal128 | None
    version: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    idempotency_key: str
    fingerprint: bytes


class ItemTypeDocument(TypedDict):
    """One type. ``_id`` is its name; the schema is text, because its keys begin with ``$``.

    A removed type keeps its document, without a schema.
    """

    _id: str
    json_schema: str | None
    version: int
    created_at: datetime
    updated_at: datetime


class AttributeRefused(Refused):
    code, title = "attribute_refused", "An attribute cannot be stored"
    detail = "Correct the place that errors names."


def check_storable(attributes: dict[str, Any]) -> None:
    """Raise AttributeRefused, with the place, if the attributes would not come back equal."""
    if fault := first_fault(attributes):
        path, code, detail = fault
        raise AttributeRefused(
            detail, errors=[field_error(pointer_to(("attributes", *path)), code, detail)]
        )


def to_decimal128(price: Decimal | None) -> Decimal128 | None:
    """Return the price as BSON's decimal, which keeps it exactly."""
    return None if price is None else Decimal128(price)


def new_item(values: Document) -> Document:
    """Return the document of a new item: a new id, version 1."""
    moment = now()
    first = {"version": 1, "created_at": moment, "updated_at": moment, "deleted_at": None}
    return {"_id": uuid7(), **values, **first}


def read_item_type(document: Document) -> ItemTypeRead:
    """Return the schema of an item type's document."""
    return ItemTypeRead(
        name=document["_id"],
        json_schema=json.loads(document["json_schema"]),
        version=document["version"],
        created_at=document["created_at"],
        updated_at=document["updated_at"],
    )
