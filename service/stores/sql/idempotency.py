"""Idempotency-Key on every POST to PostgreSQL: a retry repeats the response, not the effect.

The key's row is written in the transaction of its effect, so that both exist or neither. A key is
valid for 24 hours.
"""

import hashlib
from datetime import datetime, timedelta

from fastapi import Response
from sqlalchemy import Connection, SmallInteger, String, delete, func, insert, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from service.core.errors import Conflict
from service.stores.sql.base import Base
from service.web.conditional import NO_STORE
from service.web.idempotency_key import REPLAYED, KeyReused, RequestedKey

KEY_LIFETIME = timedelta(hours=24)
_STORED_HEADERS = ("content-type", "etag", "location", "cache-control")


class StillRunning(Conflict):
    code, title = "idempotency_in_progress", "A request with this key is still running"

    def __init__(self) -> None:
        super().__init__("Retry in a second to get its response.", headers={"Retry-After": "1"})


class ShownOnce(Conflict):
    code, title = "shown_once", "The response to this key contained a secret and is not stored"
    detail = "Rotate or revoke the key or token if its secret is lost."


class IdempotencyKey(Base):
    """A POST and its response."""

    __tablename__ = "idempotency_keys"

    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[bytes]
    status: Mapped[int] = mapped_column(SmallInteger)
    headers: Mapped[dict[str, str]] = mapped_column(JSONB)
    body: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


class Replay(Exception):
    """Carries the stored response past the endpoint, which must not run again."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def recall(connection: Connection, wanted: RequestedKey) -> None:
    """Lock the key at the begin of the transaction; raise if it was used before.

    This runs at the first statement and not before the endpoint, because slow work without
    statements, such as hashing a password, must not hold a connection.

    Raises:
        Replay: the key has a stored response.
        StillRunning: another transaction has the key; waiting for it would hold a connection.
        KeyReused: the key was used for another request.
        ShownOnce: the response of the key is not stored.
    """
    hashed = int.from_bytes(hashlib.sha256(wanted.key.encode()).digest()[:8], "big", signed=True)
    if not connection.scalar(select(func.pg_try_advisory_xact_lock(hashed))):
        raise StillRunning
    k = IdempotencyKey
    select_stored = select(k.fingerprint, k.status, k.headers, k.body).where(
        k.key == wanted.key, k.created_at > func.now() - KEY_LIFETIME
    )
    stored = connection.execute(select_stored).one_or_none()
    if stored is None:
        return
    if not wanted.was_sent_with(stored.fingerprint):
        raise KeyReused
    if stored.headers.get("cache-control") == NO_STORE:
        raise ShownOnce
    raise Replay(Response(stored.body, stored.status, {**stored.headers, REPLAYED: "true"}))


async def remember(session: AsyncSession, wanted: RequestedKey, response: Response) -> None:
    """Store the response; delete at most 10 expired keys."""
    k = IdempotencyKey
    expired = (
        select(k.key)
        .where(k.created_at <= func.now() - KEY_LIFETIME)
        .order_by(k.created_at)
        .limit(10)
        .with_for_update(skip_locked=True)
    )
    await session.execute(delete(k).where(k.key.in_(expired)))
    await session.execute(delete(k).where(k.key == wanted.key))
    headers = {name: response.headers[name] for name in _STORED_HEADERS if name in response.headers}
    stored = insert(k).values(
        key=wanted.key,
        fingerprint=wanted.fingerprint,
        status=response.status_code,
        headers=headers,
        body=b"" if headers.get("cache-control") == NO_STORE else bytes(response.body),
    )
    await session.execute(stored)
