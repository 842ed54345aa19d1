"""API keys in PostgreSQL."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, NoReturn
from uuid import UUID

from sqlalchemy import func, insert, literal, select, true, update
from uuid_utils.compat import uuid7

from service.auth.caller import CurrentAuthenticator, CurrentCaller, Forbidden
from service.auth.roles import scopes_of
from service.core.errors import Conflict, FieldError, NotFound, Refused
from service.relational.api_keys.schemas import (
    ApiKeyCreate,
    ApiKeyQuery,
    ApiKeyRead,
    ApiKeyRotate,
    ApiKeySecret,
)
from service.relational.api_keys.tables import ApiKey
from service.relational.api_keys.verification import PREFIX, hash_secret, is_good
from service.relational.audit.repository import Trail
from service.relational.users.queries import may_act
from service.relational.users.tables import User
from service.stores.sql.base import columns
from service.stores.sql.engine import SqlSession
from service.stores.sql.rows import Columns, filtered, owned_by, sql_page
from service.stores.sql.session import after_commit
from service.web.context import provided
from service.web.pagination import Page, Paging


class ApiKeyNotFound(NotFound):
    code, title = "api_key_not_found", "There is no such API key"


class KeyOwnerUnknown(Conflict):
    code, title, pointer = "key_owner_unknown", "There is no such user, or not any more", "/user_id"
    constraints = "fk_api_keys_user_id"


class KeyTooStrong(Forbidden):
    code, title = "key_too_strong", "A key reaches no further than its user and its maker"


class KeysMakeNoKeys(Forbidden):
    code, title = "keys_make_no_keys", "A key cannot make or rotate keys"
    detail = "Log in with a password: so that a key that is revoked leaves none behind."


class AlreadyOver(Refused):
    code, title, pointer = "already_over", "It would have run out already", "/expires_at"


class ApiKeyEnded(Conflict):
    code, title = "api_key_ended", "This key was revoked or has run out"
    detail = "Make a new one."


class RotationRunning(Conflict):
    code, title = "rotation_running", "A secret from before is still good"
    detail = "Wait until previous_until, or send overlap_seconds of 0: it ends both at once."


class KeyIncomplete(Refused):
    code, title = "key_incomplete", "A key has scopes, and a rotated secret an end"
    constraints = ("ck_api_keys_scopes", "ck_api_keys_previous_has_end")


_COLUMNS = columns(
    ApiKey.id, ApiKey.user_id, ApiKey.name, ApiKey.scopes, ApiKey.models, ApiKey.expires_at,
    ApiKey.last_used_at, ApiKey.previous_until, ApiKey.revoked_at, ApiKey.version,
    ApiKey.created_at, ApiKey.updated_at,
)  # fmt: skip
_FILTERED: Columns = {"user_id": ApiKey.user_id}


class ApiKeyRepository:
    """Whoever lacks ``api_keys:admin`` sees and changes their own keys alone."""

    def __init__(
        self,
        session: SqlSession,
        paginator: Paging,
        caller: CurrentCaller,
        trail: Trail,
        authenticator: CurrentAuthenticator,
    ) -> None:
        self._session, self._paginator = session, paginator
        self._caller, self._trail, self._authenticator = caller, trail, authenticator
        self._seen = owned_by(caller, ApiKey.user_id, unless="api_keys:admin")

    async def get(self, key_id: UUID) -> ApiKeyRead:
        statement = select(*_COLUMNS).where(ApiKey.id == key_id, self._seen)
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise ApiKeyNotFound
        return ApiKeyRead.model_validate(row)

    async def list(self, query: ApiKeyQuery) -> Page[ApiKeyRead]:
        statement = filtered(select(*_COLUMNS).where(self._seen), query.filters(), _FILTERED)
        return await sql_page(
            self._session, statement, ApiKey, query, self._paginator, ApiKeyRead.model_validate
        )

    async def add(self, key: ApiKeyCreate) -> ApiKeySecret:
        """A new key, with the secret that nobody can be shown again.

        Raises:
            KeyTooStrong: its user or the caller may not do all of it.
            KeysMakeNoKeys: the caller is a key.
        """
        self._must_be_a_person()
        if key.expires_at is not None and key.expires_at <= datetime.now(UTC):
            raise AlreadyOver
        owner_id = self._caller.owner_for(key.user_id, "api_keys:admin", "/user_id")
        held = select(User.role).where(User.id == owner_id, may_act())
        role = await self._session.scalar(held.with_for_update(read=True))
        if role is None:
            raise KeyOwnerUnknown
        self._must_reach(key.scopes, scopes_of(role))
        secret = secrets.token_urlsafe(32)
        values = key.model_dump(exclude={"user_id"})
        values.update(id=uuid7(), user_id=owner_id, secret_hash=hash_secret(secret))
        statement = insert(ApiKey).values(**values).returning(*_COLUMNS)
        row = (await self._session.execute(statement)).one()
        await self._trail.note(
            self._session,
            "key_created",
            subject_id=row.id,
            details={"scopes": key.scopes, "models": key.models},
        )
        return _with_secret(ApiKeyRead.model_validate(row), secret)

    async def rotate(self, key_id: UUID, rotation: ApiKeyRotate) -> ApiKeySecret:
        """A new secret; the one of now stays good for as long as the rotation says."""
        self._must_be_a_person()
        self._must_reach((await self.get(key_id)).scopes, self._caller.scopes)
        free = ApiKey.previous_until.is_(None) | (ApiKey.previous_until <= func.now())
        secret = secrets.token_urlsafe(32)
        overlap = timedelta(seconds=rotation.overlap_seconds)
        statement = (
            update(ApiKey)
            .where(ApiKey.id == key_id, self._seen, *is_good())
            .where(free if overlap else true())
            .values(
                secret_hash=hash_secret(secret),
                previous_hash=ApiKey.secret_hash,
                previous_until=func.now() + literal(overlap),
                version=ApiKey.version + 1,
            )
            .returning(*_COLUMNS)
        )
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            await self._refuse_rotation(key_id)
        after_commit(self._session, partial(self._authenticator.invalidate, key_id))
        await self._trail.note(
            self._session,
            "key_rotated",
            subject_id=key_id,
            details={"overlap_seconds": rotation.overlap_seconds},
        )
        return _with_secret(ApiKeyRead.model_validate(row), secret)

    async def revoke(self, key_id: UUID) -> None:
        """Ends it; one that is revoked already stays as it is."""
        statement = (
            update(ApiKey)
            .where(ApiKey.id == key_id, self._seen, ApiKey.revoked_at.is_(None))
            .values(revoked_at=func.now(), version=ApiKey.version + 1)
            .returning(ApiKey.id)
        )
        if await self._session.scalar(statement) is None:
            await self.get(key_id)
            return
        after_commit(self._session, partial(self._authenticator.invalidate, key_id))
        await self._trail.note(self._session, "key_revoked", subject_id=key_id)

    async def _refuse_rotation(self, key_id: UUID) -> NoReturn:
        good = await self._session.scalar(select(ApiKey.id).where(ApiKey.id == key_id, *is_good()))
        raise ApiKeyEnded if good is None else RotationRunning

    def _must_be_a_person(self) -> None:
        if self._caller.key_id is not None:
            raise KeysMakeNoKeys

    def _must_reach(self, scopes: Sequence[str], of_owner: frozenset[str]) -> None:
        errors = [
            FieldError(
                pointer=f"/scopes/{place}",
                code=KeyTooStrong.code,
                detail="Its user, or you, may not do this.",
            )
            for place, scope in enumerate(scopes)
            if scope not in of_owner or scope not in self._caller.scopes
        ]
        if errors:
            raise KeyTooStrong(errors=errors)


def _with_secret(key: ApiKeyRead, secret: str) -> ApiKeySecret:
    return ApiKeySecret(**dict(key), key=f"{PREFIX}{key.id.hex}_{secret}")


ApiKeys = Annotated[ApiKeyRepository, provided(ApiKeyRepository)]
