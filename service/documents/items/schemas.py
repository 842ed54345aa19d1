"""Schemas of items and item types."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import MISSING, BeforeValidator, ConfigDict, Field

from service.stores.mongo.json_values import from_bson
from service.web.bodies.strict_json import LargeIntegers
from service.web.lists.pagination import ListQuery, OffsetQuery
from service.web.lists.values import BEFORE, FROM, WITHOUT, FilterText, Several
from service.web.schemas import (
    Moment,
    Money,
    Name,
    RequestModel,
    ResponseModel,
    Time,
    Versioned,
    VisibleText,
)

TypeName = Annotated[
    str, Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
]
Attributes = Annotated[
    dict[str, Any],
    LargeIntegers(),
    Field(
        description="Any JSON, in names too: dots, a leading $ and blanks come back as they were. "
        "Integers have at most 34 digits."
    ),
]
Tag = Annotated[VisibleText, Field(min_length=1, max_length=60)]
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
    attributes: Annotated[Attributes | MISSING, LargeIntegers()] = MISSING
    tags: TagList | MISSING = MISSING
    price: Money | None | MISSING = MISSING


class ItemRead(Versioned):
    id: UUID
    owner_id: UUID | None
    name: str
    type: str
    attributes: Annotated[dict[str, Any], BeforeValidator(from_bson)]
    tags: list[str]
    price: Money | None
    created_at: Moment
    updated_at: Moment
    deleted_at: Moment | None


class ItemQuery(OffsetQuery):
    sort: Literal[
        "created_at",
        "-created_at",
        "name",
        "-name",
        "type,created_at",
        "-type,-created_at",
    ] = Field("-created_at", description="two fields only where an index has both")
    name: FilterText | None = Field(None, description="the whole name, as it is written")
    name__in: Several[FilterText] | None = None
    type: FilterText | None = Field(None, description="items of this type")
    type__in: Several[FilterText] | None = None
    tag: FilterText | None = Field(None, description="items with this tag")
    tag__in: Several[FilterText] | None = Field(
        None, description="items with one of these tags, separated by commas"
    )
    price__gte: Money | None = Field(None, description="at least this price")
    price__lte: Money | None = Field(None, description="at most this price")
    price__null: bool | None = Field(None, description=WITHOUT)
    created_at__gte: Time | None = Field(None, description=FROM)
    created_at__lt: Time | None = Field(None, description=BEFORE)
    deleted: bool = Field(False, description="list deleted items instead")


class ItemSearch(ListQuery):
    """A search over fields and attributes.

    A condition is ``{"field", "op", "value"}``; ``{"and": […]}``, ``{"or": […]}`` and
    ``{"not": …}`` combine them. Fields: ``name``, ``type``, ``tags``, ``price``, ``created_at``,
    ``updated_at`` and ``attributes.<path>``. Operators: ``eq ne gt gte lt lte in nin exists
    prefix contains``.

    A name with a dot, with a leading ``$`` or of no characters is reached by a JSON Pointer
    (RFC 6901) instead: ``/attributes/home.dest``. No index serves such a name: combine it with
    ``type``, ``tags`` or ``price`` among many items. Only an index (``/attributes/rooms/0/no.``)
    then leads into a list; a list at the end of the path matches by any of its elements.
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

    where: Annotated[dict[str, Any], LargeIntegers()]
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
