"""Schemas of items and item types."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import MISSING, AfterValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from service.web.pagination import ListQuery, OffsetQuery
from service.web.schemas import (
    Moment,
    Money,
    Name,
    RequestModel,
    ResponseModel,
    Text,
    Time,
    Versioned,
)


def _keys(value: Any) -> Iterator[str]:
    """Yield the keys at every level, without recursion."""
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            yield from part
            pending.extend(part.values())
        elif isinstance(part, list):
            pending.extend(part)


def check_keys(value: dict[str, Any]) -> dict[str, Any]:
    """Return the value if MongoDB takes none of its keys for an operator or a path.

    Raises:
        PydanticCustomError: ``invalid_key``, with the first such key.
    """
    for key in _keys(value):
        if not key or key.startswith("$") or "." in key or "\x00" in key:
            raise PydanticCustomError(
                "invalid_key",
                "Rename the key '{key}': keys must not be empty, contain a dot or begin with $",
                {"key": key[:40]},
            )
    return value


TypeName = Annotated[
    str, Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
]
Attributes = Annotated[dict[str, Any], AfterValidator(check_keys)]
Tag = Annotated[Text, Field(min_length=1, max_length=60)]
TagList = Annotated[list[Tag], Field(max_length=50)]


class ItemCreate(RequestModel):
    """A new item: the fixed fields, and anything in ``attributes``.

    It belongs to the caller, or with the scope ``items:admin`` to ``owner_id``.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "name": "Espresso machine",
                "type": "appliance",
                "attributes": {"colour": "red", "power": {"watts": 1450}},
                "tags": ["kitchen"],
                "price": "249.00",
            }
        }
    )

    name: Name
    type: TypeName = "item"
    attributes: Attributes = {}
    tags: TagList = []
    price: Money | None = None
    owner_id: UUID | None = None


class ItemUpdate(RequestModel):
    """A merge patch (RFC 7396), applied to ``attributes`` at every level: null removes a key."""

    model_config = ConfigDict(json_schema_extra={"example": {"attributes": {"colour": None}}})

    name: Name | MISSING = MISSING
    type: TypeName | MISSING = MISSING
    attributes: Attributes | MISSING = MISSING
    tags: TagList | MISSING = MISSING
    price: Money | None | MISSING = MISSING


class ItemRead(Versioned):
    id: UUID
    owner_id: UUID | None
    name: str
    type: str
    attributes: dict[str, Any]
    tags: list[str]
    price: Money | None
    created_at: Moment
    updated_at: Moment
    deleted_at: Moment | None


class ItemQuery(OffsetQuery):
    sort: Literal["created_at", "-created_at", "name", "-name"] = "-created_at"
    name: Text | None = None
    type: Text | None = None
    tag: Text | None = Field(None, description="items with this tag")
    price__gte: Money | None = None
    price__lte: Money | None = None
    created_at__gte: Time | None = None
    created_at__lt: Time | None = None
    deleted: bool = Field(False, description="list deleted items instead")


class ItemSearch(ListQuery):
    """A search over fields and attributes.

    A condition is ``{"field", "op", "value"}``; ``{"and": […]}``, ``{"or": […]}`` and
    ``{"not": …}`` combine them. Fields: ``name``, ``type``, ``tags``, ``price``, ``created_at``,
    ``updated_at`` and ``attributes.<path>``. Operators: ``eq ne gt gte lt lte in nin exists
    prefix contains``.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "where": {
                    "and": [
                        {"field": "type", "op": "eq", "value": "appliance"},
                        {"field": "attributes.power.watts", "op": "gte", "value": 1000},
                    ]
                },
                "limit": 20,
            }
        }
    )

    where: dict[str, Any]
    sort: Literal["created_at", "-created_at", "name", "-name"] = "-created_at"


class ItemTypeWrite(RequestModel):
    """The JSON Schema for the ``attributes`` of items of this type."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "json_schema": {
                    "type": "object",
                    "required": ["colour"],
                    "properties": {"colour": {"type": "string"}},
                }
            }
        }
    )

    json_schema: dict[str, Any]


class ItemTypeRead(Versioned):
    name: str
    json_schema: dict[str, Any]
    created_at: Moment
    updated_at: Moment


class ItemTypesRead(ResponseModel):
    """All item types, at most 1,000."""

    items: list[ItemTypeRead]
