"""Idempotency-Key on every POST to PostgreSQL: a retry repeats the answer, never the effect.

The key's row is written in the transaction of the effect it stands for, so that either both are
there or neither. Keys live for a day.
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

KEYS_LIVE = timedelta(hours=24)
_KEPT_HEADERS = ("content-type", "etag", "location", "cache-control")


class StillRunning(Conflict):
    code, title = "idempotency_in_progress", "A request with this key is still running"

    def __init__(self) -> None:
        super().__init__("Repeat it in a second to get its answer.", headers={"Retry-After": "1"})


class ShownOnce(Conflict):
    code, title = "shown_once", "It was done under this key, and its answer held a secret"
    detail = "Secrets are shown once and not kept. If it is lost, rotate or revoke what it is of."


class IdempotencyKey(Base):
    """One answered POST."""

    __tablename__ = "idempotency_keys"

    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[bytes]
    status: Mapped[int] = mapped_column(SmallInteger)
    headers: Mapped[dict[str, str]] = mapped_column(JSONB)
    body: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


class Replay(Exception):
    """Carries the first answer past the endpoint, which has nothing to do any more."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def recall(connection: Connection, wanted: RequestedKey) -> None:
    """The first thing in the transaction of a POST with a key, which is ours until it ends.

    Only then, and not before the endpoint: what it does beforehand, such as hashing a password,
    must not hold a connection.

    Raises:
        Replay: the key was answered before.
        StillRunning: another transaction has the key; waiting for it would hold a connection.
        KeyReused: the key was used for something else.
        ShownOnce: what it answered is not kept.
    """
    hashed = int.from_bytes(hashlib.sha256(wanted.key.encode()).digest()[:8], "big", signed=True)
    if not connection.scalar(select(func.pg_try_advisory_xact_lock(hashed))):
        raise StillRunning
    k = IdempotencyKey
    kept = select(k.fingerprint, k.status, k.headers, k.body).where(
        k.key == wanted.key, k.created_at > func.now() - KEYS_LIVE
    )
    found = connection.execute(kept).one_or_none()
    if found is None:
        return
    if not wanted.was_sent_with(found.fingerprint):
        raise KeyReused
    if found.headers.get("cache-control") == NO_STORE:
        raise ShownOnce
    raise Replay(Response(found.body, found.status, {**found.headers, REPLAYED: "true"}))


async def remember(session: AsyncSession, wanted: RequestedKey, response: Response) -> None:
    """Keeps the answer, and clears a few keys that have outlived their day."""
    k = IdempotencyKey
    outlived = (
        select(k.key)
        .where(k.created_at <= func.now() - KEYS_LIVE)
        .order_by(k.created_at)
        .limit(10)
        .with_for_update(skip_locked=True)
    )
    await session.execute(delete(k).where(k.key.in_(outlived)))
    await session.execute(delete(k).where(k.key == wanted.key))
    kept = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    answered = insert(k).values(
        key=wanted.key,
        fingerprint=wanted.fingerprint,
        status=response.status_code,
        headers=kept,
        body=b"" if kept.get("cache-control") == NO_STORE else bytes(response.body),
    )
    await session.execute(answered)
