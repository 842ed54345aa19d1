"""Routes of API keys, and the validity of keys after rotation, revocation and expiry."""

from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy import select

from service.main import State
from service.relational.api_keys.tables import ApiKey
from service.relational.audit.tables import AuditEvent
from service.stores.sql.idempotency import IdempotencyKey
from tests.auth.factories import bearer, create_key, create_user
from tests.relational.api_keys.factories import (
    HOUR,
    KEYS,
    make_key,
    now,
    opens,
    post_key,
    rotate,
)

OTHER_KEY = {"Idempotency-Key": "rotate"}


async def test_key_is_created_listed_and_read(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    owner = await create_user(state)
    answer = await post_key(auth_client, owner, "posts:read", "posts:write", models=["fraud-*"])
    made = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert made["key"].startswith(f"pk_{UUID(made['id']).hex}_")
    assert (made["user_id"], made["models"]) == (str(owner.id), ["fraud-*"])
    assert await opens(auth_client, made.pop("key"))
    address = answer.headers["location"]
    read = (await auth_client.get(address, headers=owner.headers)).json()
    assert {**read, "last_used_at": None} == made
    listed = (await auth_client.get(KEYS, headers=owner.headers)).json()["items"]
    assert [item["id"] for item in listed] == [made["id"]]
    assert "key" not in listed[0]


async def test_create_expired_key_is_refused(auth_client: httpx2.AsyncClient, state: State) -> None:
    owner = await create_user(state)
    answer = await post_key(auth_client, owner, expires_at=(now() - HOUR).isoformat())
    assert (answer.status_code, answer.json()["code"]) == (422, "already_over")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/expires_at"]
    made = await make_key(auth_client, owner, expires_at=(now() + HOUR).isoformat())
    assert await opens(auth_client, made["key"])


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "make"}])
async def test_key_secret_is_not_stored(
    auth_client: httpx2.AsyncClient, state: State, headers: dict[str, str]
) -> None:
    owner = await create_user(state)
    body = {"name": "x", "scopes": ["posts:read"]}
    answer = await auth_client.post(KEYS, json=body, headers={**owner.headers, **headers})
    made = answer.json()
    rotated = await auth_client.post(
        f"{KEYS}/{made['id']}/rotate", json={}, headers={**owner.headers, **headers, **OTHER_KEY}
    )
    secrets = [item["key"].split("_", 2)[2] for item in (made, rotated.json())]
    async with state["sql"].engine.connect() as connection:
        for table in (ApiKey, IdempotencyKey, AuditEvent):
            rows = (await connection.execute(select(table.__table__))).all()
            assert rows or table is IdempotencyKey
            for secret in secrets:
                assert secret not in str(rows)
                assert secret.encode().hex() not in str(rows)


async def test_create_repeated_with_idempotency_key_shows_no_secret(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    owner = await create_user(state)
    body = {"name": "x", "scopes": ["posts:read"]}
    headers = {**owner.headers, "Idempotency-Key": "once"}
    made = await auth_client.post(KEYS, json=body, headers=headers)
    again = await auth_client.post(KEYS, json=body, headers=headers)
    assert (made.status_code, again.status_code) == (201, 409)
    assert again.json()["code"] == "shown_once"
    assert made.json()["key"] not in again.text
    assert len((await auth_client.get(KEYS, headers=owner.headers)).json()["items"]) == 1
    other = await create_user(state)
    theirs = await auth_client.post(KEYS, json=body, headers={**headers, **other.headers})
    assert theirs.status_code == 201, "each user has their own Idempotency-Keys"


async def test_key_cannot_create_or_rotate_keys(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    owner = await create_user(state)
    key = await create_key(state, owner.id, "api_keys:write", "posts:read")
    body = {"name": "x", "scopes": ["posts:read"]}
    answer = await auth_client.post(KEYS, json=body, headers=bearer(key))
    assert (answer.status_code, answer.json()["code"]) == (403, "keys_make_no_keys")
    made = await make_key(auth_client, owner)
    answer = await rotate(auth_client, made["id"], bearer(key))
    assert (answer.status_code, answer.json()["code"]) == (403, "keys_make_no_keys")


async def test_create_scopes_beyond_own_are_refused(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    owner = await create_user(state)
    answer = await post_key(auth_client, owner, "posts:read", "users:admin", "audit:read")
    assert (answer.status_code, answer.json()["code"]) == (403, "key_too_strong")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/scopes/1", "/scopes/2"]
    assert (await auth_client.get(KEYS, headers=owner.headers)).json()["items"] == []


async def test_create_for_user_beyond_their_role_is_refused(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    admin, owner = await create_user(state, "admin"), await create_user(state, "service")
    made = await make_key(auth_client, admin, "predictions:write", user_id=str(owner.id))
    assert made["user_id"] == str(owner.id)
    answer = await post_key(auth_client, admin, "posts:write", user_id=str(owner.id))
    assert (answer.status_code, answer.json()["code"]) == (403, "key_too_strong")
    answer = await post_key(auth_client, admin, user_id=str(uuid4()))
    assert (answer.status_code, answer.json()["code"]) == (409, "key_owner_unknown")


async def test_create_for_others_requires_administrator(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    one, other = await create_user(state), await create_user(state)
    answer = await post_key(auth_client, one, user_id=str(other.id))
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/user_id"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("scopes", []),
        ("scopes", ["posts:all"]),
        ("scopes", "posts:read"),
        ("models", []),
        ("models", ["*fraud"]),
        ("models", ["a*b*"]),
        ("models", ["\x00"]),
        ("models", [""]),
        ("expires_at", "tomorrow"),
        ("name", ""),
        ("user_id", "me"),
        ("secret", "mine"),
    ],
)
async def test_create_invalid_body_is_refused(
    auth_client: httpx2.AsyncClient, state: State, field: str, value: Any
) -> None:
    body = {"name": "x", "scopes": ["posts:read"], field: value}
    owner = await create_user(state)
    answer = await auth_client.post(KEYS, json=body, headers=owner.headers)
    assert answer.status_code == 422
    assert {error["pointer"].split("/")[1] for error in answer.json()["errors"]} == {field}


async def test_keys_of_others_are_visible_to_administrators_only(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    owner, other, admin = [await create_user(state, role) for role in ("member", "member", "admin")]
    made = await make_key(auth_client, owner)
    address = f"{KEYS}/{made['id']}"
    for answer in (
        await auth_client.get(address, headers=other.headers),
        await auth_client.delete(address, headers=other.headers),
        await rotate(auth_client, made["id"], other.headers),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "api_key_not_found")
    assert (await auth_client.get(KEYS, headers=other.headers)).json()["items"] == []
    listed = await auth_client.get(f"{KEYS}?user_id={owner.id}", headers=other.headers)
    assert listed.json()["items"] == []
    assert await opens(auth_client, made["key"])
    visible = (await auth_client.get(KEYS, headers=admin.headers)).json()["items"]
    assert [item["id"] for item in visible] == [made["id"]]
    assert (await auth_client.delete(address, headers=admin.headers)).status_code == 204
    assert not await opens(auth_client, made["key"])
