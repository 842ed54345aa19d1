"""Credentials of logins and keys, as PostgreSQL had them at the last look-up."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID


class Credential(NamedTuple):
    """The user, the scopes and the expiry of a login or a key.

    A key has the hashes of its valid secrets, each with its own expiry (None: that of the key), and
    may be bound to models.
    """

    user_id: UUID
    scopes: frozenset[str]
    expires_at: datetime | None
    hashes: tuple[tuple[bytes, datetime | None], ...] = ()
    models: tuple[str, ...] | None = None
