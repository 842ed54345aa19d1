"""API keys in PostgreSQL."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, NoReturn
from uuid import UUID

from fastapi import Depends
from sqlalchemy import ColumnElement, func, insert, literal, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from service.auth.caller import Forbidden
from service.auth.roles import scopes_of
from service.core.errors import Conflict, NotFound, Refused, field_error
from service.relational.api_keys.schemas import (
    ApiKeyCreate,
    ApiKeyQuery,
    ApiKeyRead,
    ApiKeyRotate,
    ApiKeySecret,
)
from service.relational.api_keys.tables import ApiKey
from service.relational.api_keys.verification import format_key, hash_secret, is_valid
from service.relational.audit.repository import AuditTrail, note_command
from service.relational.users.queries import may_act
from service.relational.users.tables import User
from service.stores.sql.context import SqlContext
from service.stores.sql.lists.listing import SqlListing, projection
from service.stores.sql.repository import SqlRepository
from service.stores.sql.session import after_commit


class ApiKeyNotFound(NotFound):
    code, title = "api_key_not_found", "API key does not exist"


class KeyOwnerUnknown(Conflict):
    code, title, pointer = "key_owner_unknown", "User does not exist or was deleted", "/user_id"
    constraints = "fk_api_keys_user_id"


class KeyTooStrong(Forbidden):
    code, title = "key_too_strong", "Key exceeds the permissions of its user or of yours"


class KeysMakeNoKeys(Forbidden):
    code, title = "keys_make_no_keys", "Keys cannot create or rotate keys"
    detail = "Log in with a password, so that a revoked key leaves no other behind."


class AlreadyOver(Refused):
    code, title, pointer = "already_over", "Expiry lies in the past", "/expires_at"


class ApiKeyEnded(Conflict):
    code, title = "api_key_ended", "Key was revoked or has expired"
    detail = "Create a new key."


class RotationRunning(Conflict):
    code, title = "rotation_running", "Previous secret is still valid"
    detail = "Wait until previous_until, or send overlap_seconds of 0 to end both secrets."


class KeyIncomplete(Refused):
    code, title = "key_incomplete", "Key needs scopes, and a rotated secret needs an end"
    constraints = ("ck_api_keys_scopes", "ck_api_keys_previous_has_end")


class ApiKeyRepository(SqlRepository[ApiKeyRead]):
    """A caller without ``api_keys:admin`` sees and changes their own keys alone."""

    table, schema, missing = ApiKey, ApiKeyRead, ApiKeyNotFound
    listing = SqlListing(
        ApiKey,
        ApiKeyQuery,
        projection(ApiKey, ApiKeyRead),
        schema=ApiKeyRead,
        filters={"user_id": ApiKey.user_id, "created_at": ApiKey.created_at},
    )

    def __init__(self, context: SqlContext) -> None:
        super().__init__(context)
        self._authenticator = context.authenticator
        self._trail = AuditTrail(context.request, context.caller)

    def visible(self) -> ColumnElement[bool]:
        return self.owned_by_caller(ApiKey.user_id, unless="api_keys:admin")

    async def add(self, key: ApiKeyCreate) -> ApiKeySecret:
        """Return a new key with its secret, which is shown once.

        Raises:
            KeyTooStrong: its user or the caller lacks one of the scopes.
            KeysMakeNoKeys: the caller is itself a key.
        """
        self._require_user()
        if key.expires_at is not None and key.expires_at <= datetime.now(UTC):
            raise AlreadyOver
        owner_id = self._caller.owner_for(key.user_id, "api_keys:admin", "/user_id")
        owner = select(User.role).where(User.id == owner_id, may_act())
        role = await self._session.scalar(owner.with_for_update(read=True))
        if role is None:
            raise KeyOwnerUnknown
        self._require_reach(key.scopes, scopes_of(role))
        secret = secrets.token_urlsafe(32)
        values = key.model_dump(exclude={"user_id"})
        values.update(id=uuid7(), user_id=owner_id, secret_hash=hash_secret(secret))
        created = await self._insert(values)
        details = {"scopes": key.scopes, "models": key.models}
        await self._trail.note(self._session, "key_created", subject_id=created.id, details=details)
        return _with_secret(created, secret)

    async def rotate(self, key_id: UUID, rotation: ApiKeyRotate) -> ApiKeySecret:
        """Return a new secret; the current one stays valid for ``overlap_seconds``."""
        self._require_user()
        self._require_reach((await self.get(key_id)).scopes, self._caller.scopes)
        free = ApiKey.previous_until.is_(None) | (ApiKey.previous_until <= func.now())
        secret = secrets.token_urlsafe(32)
        overlap = timedelta(seconds=rotation.overlap_seconds)
        statement = (
            update(ApiKey)
            .where(self._is(key_id), self.visible(), *is_valid())
            .where(free if overlap else true())
            .values(
                secret_hash=hash_secret(secret),
                previous_hash=ApiKey.secret_hash,
                previous_until=func.now() + literal(overlap),
                version=ApiKey.version + 1,
            )
            .returning(*self.listing.columns)
        )
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            await self._raise_unrotated(key_id)
        after_commit(self._session, partial(self._authenticator.invalidate, key_id))
        details = {"overlap_seconds": rotation.overlap_seconds}
        await self._trail.note(self._session, "key_rotated", subject_id=key_id, details=details)
        return _with_secret(self.read(row), secret)

    async def revoke(self, key_id: UUID) -> None:
        """Revoke the key; a revoked key stays as it is."""
        statement = (
            update(ApiKey)
            .where(self._is(key_id), self.visible(), ApiKey.revoked_at.is_(None))
            .values(revoked_at=func.now(), version=ApiKey.version + 1)
            .returning(ApiKey.id)
        )
        if await self._session.scalar(statement) is None:
            await self.get(key_id)
            return
        after_commit(self._session, partial(self._authenticator.invalidate, key_id))
        await self._trail.note(self._session, "key_revoked", subject_id=key_id)

    async def _raise_unrotated(self, key_id: UUID) -> NoReturn:
        valid = select(ApiKey.id).where(self._is(key_id), *is_valid())
        is_ended = await self._session.scalar(valid) is None
        raise ApiKeyEnded if is_ended else RotationRunning

    def _require_user(self) -> None:
        if self._caller.key_id is not None:
            raise KeysMakeNoKeys

    def _require_reach(self, scopes: Sequence[str], of_owner: frozenset[str]) -> None:
        errors = [
            field_error(
                pointer=f"/scopes/{place}",
                code=KeyTooStrong.code,
                detail="Remove the scope: its user or you lack it.",
            )
            for place, scope in enumerate(scopes)
            if scope not in of_owner or scope not in self._caller.scopes
        ]
        if errors:
            raise KeyTooStrong(errors=errors)


def _with_secret(key: ApiKeyRead, secret: str) -> ApiKeySecret:
    return ApiKeySecret(**dict(key), key=format_key(key.id, secret))


async def replace_key(
    session: AsyncSession, user_id: UUID, name: str, scopes: Sequence[str]
) -> str:
    """Revoke the user's keys of this name and return a new one, for an operator's command."""
    same_name = (ApiKey.user_id == user_id) & (ApiKey.name == name) & ApiKey.revoked_at.is_(None)
    revoked = {"revoked_at": func.now(), "version": ApiKey.version + 1}
    await session.execute(update(ApiKey).where(same_name).values(**revoked))
    key_id, secret = uuid7(), secrets.token_urlsafe(32)
    values = {"user_id": user_id, "name": name, "scopes": list(scopes)}
    await session.execute(
        insert(ApiKey).values(id=key_id, secret_hash=hash_secret(secret), **values)
    )
    await note_command(session, "key_created", subject_id=key_id, user_id=user_id)
    return format_key(key_id, secret)


ApiKeys = Annotated[ApiKeyRepository, Depends(ApiKeyRepository.from_request)]
