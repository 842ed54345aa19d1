"""Routes of API keys."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from service.auth.caller import needs
from service.relational.api_keys.repository import (
    AlreadyOver,
    ApiKeyEnded,
    ApiKeyNotFound,
    ApiKeys,
    KeyOwnerUnknown,
    KeysMakeNoKeys,
    KeyTooStrong,
    RotationRunning,
)
from service.relational.api_keys.schemas import (
    ApiKeyCreate,
    ApiKeyQuery,
    ApiKeyRead,
    ApiKeyRotate,
    ApiKeySecret,
)
from service.stores.sql.idempotency import ShownOnce
from service.stores.sql.route import SqlRoute
from service.web.conditional import Reply
from service.web.lists.pagination import Page
from service.web.openapi import problems

router = APIRouter(prefix="/api_keys", tags=["access"], route_class=SqlRoute)


@router.post(
    "",
    status_code=201,
    dependencies=[needs("api_keys:write")],
    responses=problems(KeyOwnerUnknown, KeyTooStrong, KeysMakeNoKeys, AlreadyOver, ShownOnce),
)
async def api_keys_create(key: ApiKeyCreate, keys: ApiKeys, reply: Reply) -> ApiKeySecret:
    """Create an API key. Its secret is in this response and is never shown again."""
    made = await keys.add(key)
    reply.no_store()
    return reply.created(made, made.id)


@router.get("", dependencies=[needs("api_keys:read")], responses=problems())
async def api_keys_list(query: Annotated[ApiKeyQuery, Query()], keys: ApiKeys) -> Page[ApiKeyRead]:
    """List your API keys, without their secrets."""
    return await keys.list(query)


@router.get(
    "/{key_id}",
    dependencies=[needs("api_keys:read")],
    responses=problems(ApiKeyNotFound, cached=True),
)
async def api_keys_get(key_id: UUID, keys: ApiKeys, reply: Reply) -> ApiKeyRead:
    """Return one API key, without its secret."""
    return reply.ok(await keys.get(key_id))


@router.post(
    "/{key_id}/rotate",
    dependencies=[needs("api_keys:write")],
    responses=problems(
        ApiKeyNotFound, ApiKeyEnded, RotationRunning, KeyTooStrong, KeysMakeNoKeys, ShownOnce
    ),
)
async def api_keys_rotate(
    key_id: UUID, rotation: ApiKeyRotate, keys: ApiKeys, reply: Reply
) -> ApiKeySecret:
    """Issue a new secret; the old one stays valid for `overlap_seconds`."""
    made = await keys.rotate(key_id, rotation)
    reply.no_store()
    return reply.updated(made)


@router.delete(
    "/{key_id}",
    status_code=204,
    dependencies=[needs("api_keys:write")],
    responses=problems(ApiKeyNotFound),
)
async def api_keys_revoke(key_id: UUID, keys: ApiKeys) -> None:
    """Revoke the key: at once here, within 10 s in every other process."""
    await keys.revoke(key_id)
