"""What a key is good for, when the gate asks."""

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
    """SHA-256: the secret is 256 random bits, which nobody guesses however fast the hash is."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()


class Key(NamedTuple):
    """What stands in ``pk_<id>_<secret>``."""

    id: UUID
    secret: str


def parse_key(token: str) -> Key | None:
    """What stands in a key; None if it is none."""
    if not token.startswith(PREFIX):
        return None
    key_id, _, secret = token[len(PREFIX) :].partition("_")
    try:
        return Key(_as_uuid(key_id), secret)
    except ValueError:
        return None


# Few keys ask often, and reading one's id took as long as hashing its secret three times.
_as_uuid = lru_cache(maxsize=1_000)(UUID)


def secret_id_of(secret_hash: bytes) -> str:
    """By which an access token says which of a key's secrets it was given for."""
    return secret_hash[:8].hex()


def is_good() -> tuple[ColumnElement[bool], ...]:
    """Neither revoked nor run out."""
    lasting = ApiKey.expires_at.is_(None) | (ApiKey.expires_at > func.now())
    return ApiKey.revoked_at.is_(None), lasting


async def find_credential(session: AsyncSession, key_id: UUID) -> Credential | None:
    """What a key is good for now; None if it is not."""
    k = ApiKey
    statement = (
        select(
            User.id, User.role, k.scopes, k.expires_at, k.secret_hash, k.previous_hash,
            k.previous_until, k.models,
        )
        .join(User, User.id == k.user_id)
        .where(k.id == key_id, may_act(), *is_good())
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
    """Writes when a key was used last; whether it was the first time."""
    used = update(ApiKey).values(last_used_at=func.now(), updated_at=ApiKey.updated_at)
    used = used.where(ApiKey.id == key_id).returning(ApiKey.id)
    first = await session.scalar(used.where(ApiKey.last_used_at.is_(None)))
    if first is None:
        minute_ago = func.now() - timedelta(minutes=1)
        await session.execute(used.where(ApiKey.last_used_at < minute_ago))
    return first is not None
