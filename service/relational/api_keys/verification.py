"""Verification of API keys, for the authenticator."""

import hashlib
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.auth.credentials import Credential
from service.auth.roles import expanded, scopes_of
from service.relational.api_keys.tables import ApiKey
from service.relational.users.queries import may_act
from service.relational.users.tables import User

PREFIX = "pk_"


def hash_secret(secret: str) -> bytes:
    """Return the SHA-256: a fast hash is enough for a secret of 256 random bits."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()


class Key(NamedTuple):
    """The parts of ``pk_<id>_<secret>``."""

    id: UUID
    secret: str


def format_key(key_id: UUID, secret: str) -> str:
    """Return the key as clients send it, ``pk_<id>_<secret>``."""
    return f"{PREFIX}{key_id.hex}_{secret}"


def parse_key(token: str) -> Key | None:
    """Return the parts of a key, or None if the token is no key."""
    if not token.startswith(PREFIX):
        return None
    key_id, _, secret = token[len(PREFIX) :].partition("_")
    try:
        return Key(_as_uuid(key_id), secret)
    except ValueError:
        return None


# Few keys call often, and parsing an id took as long as three hashes (measured).
_as_uuid = lru_cache(maxsize=1_000)(UUID)


def secret_id_of(secret_hash: bytes) -> str:
    """Return the id by which an access token names the secret that it was issued for."""
    return secret_hash[:8].hex()


def is_valid() -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of a key that is neither revoked nor expired."""
    lasts = ApiKey.expires_at.is_(None) | (ApiKey.expires_at > func.now())
    return ApiKey.revoked_at.is_(None), lasts


async def find_credential(session: AsyncSession, key_id: UUID) -> Credential | None:
    """Return the credential of a valid key, else None."""
    k = ApiKey
    statement = (
        select(
            User.id, User.role, k.scopes, k.expires_at, k.secret_hash, k.previous_hash,
            k.previous_until, k.models,
        )
        .join(User, User.id == k.user_id)
        .where(k.id == key_id, may_act(), *is_valid())
    )  # fmt: skip
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        return None
    hashes: list[tuple[bytes, datetime | None]] = [(row.secret_hash, None)]
    if row.previous_hash is not None:
        hashes.append((row.previous_hash, row.previous_until))
    scopes = expanded(row.scopes) & scopes_of(row.role)
    models = None if row.models is None else tuple(row.models)
    return Credential(row.id, scopes, row.expires_at, tuple(hashes), models)


async def note_use(session: AsyncSession, key_id: UUID) -> bool:
    """Write the last use of a key, at most once a minute; return whether it was the first."""
    used = update(ApiKey).values(last_used_at=func.now(), updated_at=ApiKey.updated_at)
    used = used.where(ApiKey.id == key_id).returning(ApiKey.id)
    first = await session.scalar(used.where(ApiKey.last_used_at.is_(None)))
    if first is None:
        minute_ago = func.now() - timedelta(minutes=1)
        await session.execute(used.where(ApiKey.last_used_at < minute_ago))
    return first is not None
