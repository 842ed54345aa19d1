"""What a login or a key is good for, as it was when PostgreSQL was asked last."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID


class Credential(NamedTuple):
    """Whose it is, how far it reaches, and until when.

    A key has hashes of the secrets that open it, each with the time until which it does (None: as
    long as the key), and may be bound to models.
    """

    user_id: UUID
    scopes: frozenset[str]
    expires_at: datetime | None
    hashes: tuple[tuple[bytes, datetime | None], ...] = ()
    models: tuple[str, ...] | None = None
