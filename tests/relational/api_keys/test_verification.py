"""Verification of API keys: expiry, role and state of the user, malformed keys."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import func, select, update

from service.main import State
from service.relational.audit.tables import AuditEvent
from service.relational.authenticator import SqlAuthenticator
from service.relational.users.tables import User
from tests.auth.factories import bearer, create_key, create_user
from tests.relational.api_keys.factories import (
    HOUR,
    KEYS,
    change_key,
    make_key,
    now,
    opens,
    rotate,
    stored_key,
)


async def test_revoke_ends_key_at_once_and_keeps_it_listed(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    owner = await create_user(state)
    made = await make_key(auth_client, owner)
    assert await opens(auth_client, made["key"])
    for _ in range(2):
        answer = await auth_client.delete(f"{KEYS}/{made['id']}", headers=owner.headers)
        assert answer.status_code == 204
        assert not await opens(auth_client, made["key"])
    read = (await auth_client.get(f"{KEYS}/{made['id']}", headers=owner.headers)).json()
    assert read["revoked_at"] is not None
    answer = await rotate(auth_client, made["id"], owner.headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "api_key_ended")


async def test_revoke_ends_tokens_of_key(auth_client: httpx2.AsyncClient, state: State) -> None:
    owner = await create_user(state)
    made = await make_key(auth_client, owner)
    form = {"grant_type": "client_credentials", "client_id": UUID(made["id"]).hex}
    answer = await auth_client.post("/v1/auth/token", data={**form, "client_secret": made["key"]})
    token = answer.json()["access_token"]
    assert await opens(auth_client, token)
    await auth_client.delete(f"{KEYS}/{made['id']}", headers=owner.headers)
    assert not await opens(auth_client, token)


async def test_key_expires_while_cached(
    auth_client: httpx2.AsyncClient, state: State, authenticator: SqlAuthenticator
) -> None:
    owner = await create_user(state)
    key = await create_key(state, owner.id, "posts:read", expires_at=now() - HOUR)
    assert not await opens(auth_client, key)
    soon = now() + timedelta(seconds=0.3)
    key = await create_key(state, owner.id, "posts:read", expires_at=soon)
    while now() < soon:
        await opens(auth_client, key)
    assert not await opens(auth_client, key)


async def test_key_scopes_are_limited_by_role_of_user(
    auth_client: httpx2.AsyncClient, state: State, authenticator: SqlAuthenticator
) -> None:
    owner = await create_user(state, "editor")
    made = await make_key(auth_client, owner, "tags:admin", "posts:read")
    assert "tags:admin" in await scopes(auth_client, made["key"])
    await change_user(state, owner.id, role="member")
    authenticator.invalidate(UUID(made["id"]))
    assert await scopes(auth_client, made["key"]) == ["posts:read", "tags:read"]


async def scopes(client: httpx2.AsyncClient, key: str) -> list[str]:
    names: list[str] = (await client.get("/v1/me", headers=bearer(key))).json()["scopes"]
    return names


async def change_user(state: State, user_id: UUID, **values: Any) -> None:
    async with state["sql"].engine.begin() as connection:
        await connection.execute(update(User).where(User.id == user_id).values(**values))


@pytest.mark.parametrize(
    "values",
    [
        {"is_active": False},
        {"status": "suspended"},
        {"deleted_at": datetime(2026, 1, 1, tzinfo=UTC)},
    ],
    ids=["inactive", "suspended", "deleted"],
)
async def test_key_of_inactive_user_is_refused(
    auth_client: httpx2.AsyncClient,
    state: State,
    authenticator: SqlAuthenticator,
    values: dict[str, Any],
) -> None:
    owner = await create_user(state)
    made = await make_key(auth_client, owner)
    assert await opens(auth_client, made["key"])
    await change_user(state, owner.id, **values)
    authenticator.invalidate(UUID(made["id"]))
    assert not await opens(auth_client, made["key"])


async def test_key_use_is_stored_and_first_use_recorded_once(
    auth_client: httpx2.AsyncClient, state: State, authenticator: SqlAuthenticator
) -> None:
    owner = await create_user(state)
    made = await make_key(auth_client, owner)
    assert (await stored_key(state, made["id"]))["last_used_at"] is None
    for _ in range(3):
        assert await opens(auth_client, made["key"])
        await authenticator.drain()
    first = await stored_key(state, made["id"])
    assert first["last_used_at"] is not None
    assert first["version"] == 1
    await change_key(state, made["id"], last_used_at=now() - HOUR)
    authenticator._last_noted.clear()
    assert await opens(auth_client, made["key"])
    await authenticator.drain()
    assert (await stored_key(state, made["id"]))["last_used_at"] > now() - timedelta(minutes=5)
    count = select(func.count()).where(AuditEvent.act == "key_first_used")
    async with state["sql"].engine.connect() as connection:
        assert await connection.scalar(count.where(AuditEvent.subject_id == UUID(made["id"]))) == 1


@pytest.mark.parametrize(
    "broken", ["pk_", "pk_x_y", "pk__", "{key}x", "{stem}", "{stem}_", "PK{tail}", "{key}\u00e9"]
)
async def test_key_malformed_is_refused(
    auth_client: httpx2.AsyncClient, state: State, broken: str
) -> None:
    key = await create_key(state, (await create_user(state)).id, "posts:read")
    stem = "_".join(key.split("_", 2)[:2])
    token = broken.format(key=key, stem=stem, tail=key[2:])
    headers = {"Authorization": f"Bearer {token}".encode("latin-1")}
    answer = await auth_client.get("/v1/me", headers=headers)  # type: ignore[arg-type] # bytes of a header
    assert answer.status_code == 401
