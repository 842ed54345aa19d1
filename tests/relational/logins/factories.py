"""Users with a password, and their logins."""

from functools import cache
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import httpx2
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import select, update

from service.auth import passwords
from service.main import State
from service.relational.audit.tables import AuditEvent
from service.relational.users.tables import User
from tests.auth.factories import bearer, create_user

PASSWORD = "correct horse"
TOKEN, REVOKE, ME = "/v1/auth/token", "/v1/auth/revoke", "/v1/me"


class StoredUser(NamedTuple):
    """A user with a password."""

    id: UUID
    username: str
    email: str


class Tokens(NamedTuple):
    """The tokens of a login."""

    access: str
    refresh: str

    @property
    def headers(self) -> dict[str, str]:
        return bearer(self.access)


def current_hash() -> str:
    """Return the hash of PASSWORD with the current parameters."""
    return _hash_with(passwords._HASH)


@cache
def _hash_with(hasher: PasswordHash) -> str:
    return hasher.hash(PASSWORD)


@cache
def outdated_hash() -> str:
    """Return the hash of PASSWORD with weaker parameters."""
    return Argon2Hasher(memory_cost=1024, time_cost=1, parallelism=1).hash(PASSWORD)


async def create_password_user(state: State, role: str = "member", **values: Any) -> StoredUser:
    name = f"Name{uuid4().hex[:12]}"
    email = f"{name}@Example.com"
    values = {"username": name, "email": email, "password_hash": current_hash(), **values}
    person = await create_user(state, role, **values)
    return StoredUser(person.id, name, email)


async def request_token(client: httpx2.AsyncClient, grant: str, **fields: Any) -> httpx2.Response:
    return await client.post(TOKEN, data={"grant_type": grant, **fields})


async def by_password(
    client: httpx2.AsyncClient, name: str, password: str = PASSWORD, **fields: Any
) -> httpx2.Response:
    return await request_token(client, "password", username=name, password=password, **fields)


async def by_refresh(client: httpx2.AsyncClient, token: str, **fields: Any) -> httpx2.Response:
    return await request_token(client, "refresh_token", refresh_token=token, **fields)


async def log_in(client: httpx2.AsyncClient, name: str, **fields: Any) -> Tokens:
    return tokens_of(await by_password(client, name, **fields))


def tokens_of(answer: httpx2.Response) -> Tokens:
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return Tokens(body["access_token"], body["refresh_token"])


async def status_of(client: httpx2.AsyncClient, headers: dict[str, str]) -> int:
    """Return the status of GET /v1/me with these headers."""
    return (await client.get(ME, headers=headers)).status_code


async def acts(state: State) -> list[tuple[str, UUID | None]]:
    """Return the acts of the audit trail and their subjects, oldest first."""
    statement = select(AuditEvent.act, AuditEvent.subject_id).order_by(AuditEvent.id)

    async with state["sql"].engine.connect() as connection:
        return [(row.act, row.subject_id) for row in await connection.execute(statement)]


async def change_user(state: State, user_id: UUID, **values: Any) -> None:
    async with state["sql"].engine.begin() as connection:
        await connection.execute(update(User).where(User.id == user_id).values(**values))
