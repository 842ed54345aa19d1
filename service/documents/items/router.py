"""Routes of items."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from service.auth.caller import needs
from service.documents.items.documents import AttributeRefused
from service.documents.items.item_types import SchemaMismatch
from service.documents.items.json_schema import ValidationTooCostly
from service.documents.items.repository import (
    ItemContended,
    ItemKeyUsed,
    ItemNotFound,
    Items,
    ItemTooLarge,
    OwnerFixed,
)
from service.documents.items.schema_process import ValidationBusy
from service.documents.items.schemas import ItemCreate, ItemQuery, ItemRead, ItemSearch, ItemUpdate
from service.documents.items.search import BadSearch
from service.stores.mongo.route import MongoRoute
from service.web.conditional import IfMatch, Reply
from service.web.idempotency_key import KeyReused, SentKey
from service.web.lists.pagination import Page
from service.web.openapi import problems
from service.web.route import policy

router = APIRouter(prefix="/items", tags=["items"], route_class=MongoRoute)


@router.post(
    "",
    status_code=201,
    dependencies=[needs("items:write")],
    responses=problems(
        AttributeRefused,
        SchemaMismatch,
        ValidationTooCostly,
        ValidationBusy,
        KeyReused,
        ItemKeyUsed,
    ),
)
async def items_create(item: ItemCreate, items: Items, key: SentKey, reply: Reply) -> ItemRead:
    """Create an item with free attributes."""
    created, replayed = await items.add(item, key)
    return reply.created(created, created.id, replayed=replayed)


@router.get(
    "",
    response_model=Page[ItemRead],
    dependencies=[needs("items:read")],
    responses=problems(),
)
async def items_list(query: Annotated[ItemQuery, Query()], items: Items) -> Response:
    """List items."""
    return await items.list(query)


@router.post(
    "/search",
    response_model=Page[ItemRead],
    dependencies=[needs("items:read")],
    responses=problems(BadSearch),
)
@policy(read_only=True)
async def items_search(search: ItemSearch, items: Items) -> Response:
    """Find items by conditions on fields and attributes; the schema below has the grammar."""
    return await items.search(search)


@router.get(
    "/{item_id}",
    dependencies=[needs("items:read")],
    responses=problems(ItemNotFound, cached=True),
)
async def items_get(item_id: UUID, items: Items, reply: Reply) -> ItemRead:
    """Return one item."""
    return reply.ok(await items.get(item_id))


@router.put(
    "/{item_id}",
    dependencies=[needs("items:write")],
    responses=problems(
        ItemNotFound,
        OwnerFixed,
        AttributeRefused,
        SchemaMismatch,
        ValidationTooCostly,
        ValidationBusy,
        if_match=True,
    ),
)
async def items_replace(
    item_id: UUID, item: ItemCreate, items: Items, expected: IfMatch, reply: Reply
) -> ItemRead:
    """Replace the item; absent fields get their default. The owner stays."""
    return reply.updated(await items.replace(item_id, item, expected))


@router.patch(
    "/{item_id}",
    dependencies=[needs("items:write")],
    responses=problems(
        ItemNotFound,
        ItemContended,
        ItemTooLarge,
        AttributeRefused,
        SchemaMismatch,
        ValidationTooCostly,
        ValidationBusy,
        if_match=True,
    ),
)
async def items_update(
    item_id: UUID, change: ItemUpdate, items: Items, expected: IfMatch, reply: Reply
) -> ItemRead:
    """Change some fields and attributes of an item."""
    return reply.updated(await items.change(item_id, change, expected))


@router.delete(
    "/{item_id}",
    status_code=204,
    dependencies=[needs("items:write")],
    responses=problems(ItemNotFound, if_match=True),
)
async def items_delete(item_id: UUID, items: Items, expected: IfMatch) -> None:
    """Delete the item; it can be restored."""
    await items.remove(item_id, expected)


@router.post(
    "/{item_id}/restore",
    dependencies=[needs("items:write")],
    responses=problems(ItemNotFound),
)
async def items_restore(item_id: UUID, items: Items, reply: Reply) -> ItemRead:
    """Bring a deleted item back."""
    return reply.updated(await items.restore(item_id))
