"""Routes of API keys, and the validity of keys after rotation, revocation and expiry."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy import func, select, update

from service.main import State
from service.relational.api_keys.tables import ApiKey
from service.relational.api_keys.verification import hash_secret
from service.relational.audit.tables import AuditEvent
from service.relational.authenticator import SqlAuthenticator
from service.relational.users.tables import User
from service.stores.sql.idempotency import IdempotencyKey
from tests.auth.factories import bearer, create_key, create_user
from tests.relational.api_keys.factories import (
    KEYS,
    change_key,
    make_key,
    opens,
    post_key,
    stored_key,
)

HOUR = timedelta(hours=1)


def now() -> datetime:
    """Return the time in milliseconds, as it is stored."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


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


async def test_rotate_keeps_old_secret_valid_during_overlap(
    auth_client: httpx2.AsyncClient, state: State, authenticator: SqlAuthenticator
) -> None:
    owner = await create_user(state)
    made = await make_key(auth_client, owner)
    assert await opens(auth_client, made["key"])
    answer = await rotate(auth_client, made["id"], owner.headers, overlap_seconds=60)
    new = answer.json()
    assert (answer.status_code, new["version"], answer.headers["etag"]) == (200, 2, '"2"')
    assert answer.headers["cache-control"] == "no-store"
    assert await opens(auth_client, made["key"])
    assert await opens(auth_client, new["key"])
    await change_key(state, made["id"], previous_until=now() - HOUR)
    authenticator.invalidate(UUID(made["id"]))
    assert not await opens(auth_client, made["key"])
    assert await opens(auth_client, new["key"])


async def rotate(
    client: httpx2.AsyncClient, key_id: str, headers: dict[str, str], **body: Any
) -> httpx2.Response:
    return await client.post(f"{KEYS}/{key_id}/rotate", json=body, headers=headers)


async def test_rotate_overlap_ends_for_cached_key(
    auth_client: httpx2.AsyncClient, state: State, authenticator: SqlAuthenticator
) -> None:
    owner = await create_user(state)
    made = await make_key(auth_client, owner)
    await rotate(auth_client, made["id"], owner.headers, overlap_seconds=60)
    soon = now() + timedelta(seconds=2)
    await change_key(state, made["id"], previous_until=soon)
    authenticator.invalidate(UUID(made["id"]))
    assert await opens(auth_client, made["key"])
    while now() < soon:
        await opens(auth_client, made["key"])
    assert not await opens(auth_client, made["key"])


async def test_rotate_without_overlap_ends_old_secret_at_once(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    owner = await create_user(state)
    made = await make_key(auth_client, owner)
    assert await opens(auth_client, made["key"])
    new = (await rotate(auth_client, made["id"], owner.headers, overlap_seconds=0)).json()
    assert not await opens(auth_client, made["key"])
    assert await opens(auth_client, new["key"])


async def test_rotate_in_other_process_is_valid_within_a_minute(
    auth_client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = await create_user(state)
    made = await make_key(auth_client, owner)
    assert await opens(auth_client, made["key"])
    await change_key(state, made["id"], secret_hash=hash_secret("elsewhere"))
    monkeypatch.setattr("service.relational.authenticator.SECONDS_BEFORE_ANOTHER_LOOK", 0.0)
    assert await opens(auth_client, f"pk_{UUID(made['id']).hex}_elsewhere")
    assert not await opens(auth_client, made["key"])


@pytest.mark.parametrize("overlap", [-1, 7 * 24 * 3600 + 1, "60", 1.5, None])
async def test_rotate_invalid_overlap_is_refused(
    auth_client: httpx2.AsyncClient, state: State, overlap: Any
) -> None:
    owner = await create_user(state)
    made = await make_key(auth_client, owner)
    answer = await rotate(auth_client, made["id"], owner.headers, overlap_seconds=overlap)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/overlap_seconds"]


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


async def test_create_expired_key_is_refused(auth_client: httpx2.AsyncClient, state: State) -> None:
    owner = await create_user(state)
    answer = await post_key(auth_client, owner, expires_at=(now() - HOUR).isoformat())
    assert (answer.status_code, answer.json()["code"]) == (422, "already_over")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/expires_at"]
    made = await make_key(auth_client, owner, expires_at=(now() + HOUR).isoformat())
    assert await opens(auth_client, made["key"])


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


OTHER_KEY = {"Idempotency-Key": "rotate"}


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
    seen = (await auth_client.get(KEYS, headers=admin.headers)).json()["items"]
    assert [item["id"] for item in seen] == [made["id"]]
    assert (await auth_client.delete(address, headers=admin.headers)).status_code == 204
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


async def test_token_ends_with_the_secret_of_its_key(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    owner = await create_user(state)
    made = await make_key(auth_client, owner)
    _, key_id, secret = made["key"].split("_", 2)
    form = {"grant_type": "client_credentials", "client_id": key_id, "client_secret": secret}
    minted = (await auth_client.post("/v1/auth/token", data=form)).json()["access_token"]
    assert await opens(auth_client, minted)
    assert (
        await rotate(auth_client, made["id"], owner.headers, overlap_seconds=60)
    ).status_code == 200
    assert await opens(auth_client, minted)
    await rotate(auth_client, made["id"], owner.headers, overlap_seconds=0)
    assert not await opens(auth_client, minted)


async def test_rotate_twice_keeps_earlier_overlap(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    owner = await create_user(state)
    made = await make_key(auth_client, owner)
    await rotate(auth_client, made["id"], owner.headers, overlap_seconds=60)
    again = await rotate(auth_client, made["id"], owner.headers, overlap_seconds=60)
    assert (again.status_code, again.json()["code"]) == (409, "rotation_running")
    assert await opens(auth_client, made["key"])
    at_once = await rotate(auth_client, made["id"], owner.headers, overlap_seconds=0)
    assert at_once.status_code == 200
    assert not await opens(auth_client, made["key"])
