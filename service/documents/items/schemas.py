"""What travels about items and their types."""

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
    todo = [value]
    while todo:
        here = todo.pop()
        if isinstance(here, dict):
            yield from here
            todo.extend(here.values())
        elif isinstance(here, list):
            todo.extend(here)


def plain_keys(value: dict[str, Any]) -> dict[str, Any]:
    """Refuses keys that MongoDB could take for an operator or a path."""
    for key in _keys(value):
        if not key or key.startswith("$") or "." in key or "\x00" in key:
            raise PydanticCustomError(
                "invalid_key",
                "The key '{key}' cannot be kept: keys are not empty, hold no dot, begin with no $",
                {"key": key[:40]},
            )
    return value


TypeName = Annotated[
    str, Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
]
Attributes = Annotated[dict[str, Any], AfterValidator(plain_keys)]
Tag = Annotated[Text, Field(min_length=1, max_length=60)]
TagList = Annotated[list[Tag], Field(max_length=50)]


class ItemCreate(RequestModel):
    """A new item: the fixed fields, and anything in ``attributes``.

    It is the caller's own, unless one with ``items:admin`` names another owner.
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
    """A merge patch (RFC 7396), into ``attributes`` as deep as it goes: null removes a key."""

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
    tag: Text | None = Field(None, description="items that carry this tag")
    price__gte: Money | None = None
    price__lte: Money | None = None
    created_at__gte: Time | None = None
    created_at__lt: Time | None = None
    deleted: bool = Field(False, description="list the deleted items instead")


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
    """What items of this type have to look like: a JSON Schema for their ``attributes``."""

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
    """All item types: they are few."""

    items: list[ItemTypeRead]
