"""Routes of item types."""

from typing import Annotated

from fastapi import APIRouter, Path

from service.auth.caller import needs
from service.documents.items.item_types import ItemTypeNotFound, ItemTypes
from service.documents.items.json_schema import BadJsonSchema, ValidationTooCostly
from service.documents.items.schema_process import ValidationBusy
from service.documents.items.schemas import ItemTypeRead, ItemTypesRead, ItemTypeWrite, TypeName
from service.stores.mongo.route import MongoRoute
from service.web.conditional import IfMatch, Reply
from service.web.openapi import problems

router = APIRouter(prefix="/item_types", tags=["items"], route_class=MongoRoute)

NameInPath = Annotated[TypeName, Path(alias="name")]


@router.get("", dependencies=[needs("item_types:read")], responses=problems())
async def item_types_list(types: ItemTypes) -> ItemTypesRead:
    """List the item types."""
    return ItemTypesRead(items=await types.list())


@router.get(
    "/{name}",
    dependencies=[needs("item_types:read")],
    responses=problems(ItemTypeNotFound, cached=True),
)
async def item_types_get(type_name: NameInPath, types: ItemTypes, reply: Reply) -> ItemTypeRead:
    """Return one item type with its JSON Schema."""
    return reply.ok(await types.get(type_name))


@router.put(
    "/{name}",
    dependencies=[needs("item_types:write")],
    responses=problems(BadJsonSchema, ValidationTooCostly, ValidationBusy, if_match=True),
)
async def item_types_put(
    type_name: NameInPath, body: ItemTypeWrite, types: ItemTypes, expected: IfMatch, reply: Reply
) -> ItemTypeRead:
    """Create the type or replace its schema; existing items are validated at their next change."""
    return reply.updated(await types.put(type_name, body, expected))


@router.delete(
    "/{name}",
    status_code=204,
    dependencies=[needs("item_types:write")],
    responses=problems(ItemTypeNotFound, if_match=True),
)
async def item_types_delete(type_name: NameInPath, types: ItemTypes, expected: IfMatch) -> None:
    """Delete an item type; its items stay, and are not validated any more."""
    await types.remove(type_name, expected)
