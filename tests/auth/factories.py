"""Users, logins and API keys created in the database, with their credentials."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from service.auth.access_tokens import Claims
from service.auth.roles import scopes_of
from service.main import State
from service.relational.api_keys.tables import ApiKey
from service.relational.api_keys.verification import hash_secret
from service.relational.logins.tables import Login
from service.relational.users.tables import User

HOUR = timedelta(hours=1)


class LoggedInUser(NamedTuple):
    """A user with a login."""

    id: UUID
    login_id: UUID
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return bearer(self.token)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def create_user(state: State, role: str = "member", **values: Any) -> LoggedInUser:
    """Create a user with a role and a login."""
    name = f"u{uuid4().hex[:12]}"
    user = {"id": uuid7(), "username": name, "email": f"{name}@example.com", "role": role, **values}
    login_id, scopes = uuid7(), scopes_of(role)

    async def work(session: AsyncSession) -> None:
        await session.execute(insert(User).values(**user))
        login = {"id": login_id, "user_id": user["id"], "token_hash": b"", "scopes": sorted(scopes)}
        expires_at = datetime.now(UTC) + HOUR
        await session.execute(insert(Login).values(**login, expires_at=expires_at))

    await state["sql"].run(work, writes=True)
    token = state["keyring"].sign(Claims(user["id"], scopes, login_id), HOUR)
    return LoggedInUser(user["id"], login_id, token)


async def create_key(state: State, user_id: UUID, *scopes: str, **values: Any) -> str:
    """Create an API key of a user; return its secret form."""
    key_id, secret = uuid7(), secrets.token_urlsafe(32)
    row = {"id": key_id, "user_id": user_id, "name": "test", "scopes": list(scopes), **values}

    async def work(session: AsyncSession) -> None:
        await session.execute(insert(ApiKey).values(**row, secret_hash=hash_secret(secret)))

    await state["sql"].run(work, writes=True)
    return f"pk_{key_id.hex}_{secret}"
