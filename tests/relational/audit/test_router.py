"""The audit trail records acts, but no user input."""

from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import text

from service.main import State
from service.relational.audit.schemas import Act
from service.relational.authenticator import SqlAuthenticator
from tests.auth.factories import LoggedInUser, bearer, create_user
from tests.relational.api_keys.factories import KEYS, make_key
from tests.relational.logins.factories import (
    PASSWORD,
    REVOKE,
    by_password,
    by_refresh,
    create_password_user,
    log_in,
    tokens_of,
)

TRAIL = "/v1/audit_events"


@pytest.fixture
async def admin(state: State, reset_stores: None) -> LoggedInUser:
    return await create_user(state, "admin")


async def entries(
    client: httpx2.AsyncClient, admin: LoggedInUser, **params: Any
) -> list[dict[str, Any]]:
    answer = await client.get(TRAIL, params=params, headers=admin.headers)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def only(
    client: httpx2.AsyncClient, admin: LoggedInUser, act: Act, subject_id: object
) -> dict[str, Any]:
    """Return the only entry of an act on a subject."""
    (entry,) = await entries(client, admin, act=act, subject_id=str(subject_id))
    return entry


async def test_login_is_recorded(
    auth_client: httpx2.AsyncClient, state: State, admin: LoggedInUser
) -> None:
    user = await create_password_user(state)
    answer = await by_password(auth_client, user.username)
    entry = await only(auth_client, admin, "login", user.id)
    assert (entry["user_id"], entry["key_id"], entry["address"]) == (
        str(user.id),
        None,
        "127.0.0.1",
    )
    assert entry["request_id"] == answer.headers["x-request-id"]


async def test_failed_login_is_recorded_without_caller(
    auth_client: httpx2.AsyncClient, state: State, admin: LoggedInUser
) -> None:
    user = await create_password_user(state)
    await by_password(auth_client, user.username, "wrong horse")
    await by_password(auth_client, "nobody-of-this-name", "wrong horse")
    assert (await only(auth_client, admin, "login_failed", user.id))["user_id"] is None
    failed = await entries(auth_client, admin, act="login_failed")
    assert [entry["subject_id"] for entry in failed] == [None, str(user.id)]


async def test_refresh_token_reuse_is_recorded(
    auth_client: httpx2.AsyncClient, state: State, admin: LoggedInUser
) -> None:
    user = await create_password_user(state)
    tokens = await log_in(auth_client, user.username)
    for _ in range(3):
        await by_refresh(auth_client, tokens.refresh)
    assert await only(auth_client, admin, "token_reused", user.id)


async def test_token_revocation_is_recorded_once(
    auth_client: httpx2.AsyncClient, state: State, admin: LoggedInUser
) -> None:
    user = await create_password_user(state)
    tokens = await log_in(auth_client, user.username)
    for _ in range(2):
        await auth_client.post(REVOKE, data={"token": tokens.refresh})
    assert await only(auth_client, admin, "token_revoked", user.id)


async def test_password_change_is_recorded_only_if_it_succeeds(
    auth_client: httpx2.AsyncClient, state: State, admin: LoggedInUser
) -> None:
    user = await create_password_user(state)
    tokens = await log_in(auth_client, user.username)
    for current, count in (("wrong horse", 0), (PASSWORD, 1)):
        body = {"current_password": current, "new_password": "battery staple"}
        await auth_client.post("/v1/me/password", json=body, headers=tokens.headers)
        assert len(await entries(auth_client, admin, act="password_changed")) == count
    entry = await only(auth_client, admin, "password_changed", user.id)
    assert entry["user_id"] == str(user.id)


async def test_role_change_is_recorded(
    auth_client: httpx2.AsyncClient, state: State, admin: LoggedInUser
) -> None:
    user = await create_password_user(state)
    address = f"/v1/users/{user.id}"
    answer = await auth_client.patch(address, json={"role": "editor"}, headers=admin.headers)
    assert answer.status_code == 200
    entry = await only(auth_client, admin, "role_changed", user.id)
    assert entry["user_id"] == str(admin.id)
    assert "editor" in entry["details"].values()
    await auth_client.patch(address, json={"name": "Ada"}, headers=admin.headers)
    assert await only(auth_client, admin, "role_changed", user.id), "a name is no role"


async def test_key_creation_rotation_and_revocation_are_recorded(
    auth_client: httpx2.AsyncClient,
    state: State,
    admin: LoggedInUser,
    authenticator: SqlAuthenticator,
) -> None:
    owner = await create_user(state)
    made = await make_key(auth_client, owner, models=["fraud-*"])
    key_id, address = made["id"], f"{KEYS}/{made['id']}"
    for _ in range(2):
        await auth_client.get("/v1/me", headers=bearer(made["key"]))
        await authenticator.drain()
    await auth_client.post(f"{address}/rotate", json={"overlap_seconds": 5}, headers=owner.headers)
    for _ in range(2):
        await auth_client.delete(address, headers=owner.headers)
    acts = [entry["act"] for entry in await entries(auth_client, admin, subject_id=key_id)]
    assert acts == ["key_revoked", "key_rotated", "key_first_used", "key_created"]
    created = await only(auth_client, admin, "key_created", key_id)
    assert created["details"] == {"scopes": ["posts:read"], "models": ["fraud-*"]}
    used = await only(auth_client, admin, "key_first_used", key_id)
    assert (used["user_id"], used["key_id"]) == (str(owner.id), key_id)
    rotated = await only(auth_client, admin, "key_rotated", key_id)
    assert rotated["details"] == {"overlap_seconds": 5}


async def test_refused_act_is_not_recorded(
    auth_client: httpx2.AsyncClient, state: State, admin: LoggedInUser
) -> None:
    owner = await create_user(state)
    body = {"name": "x", "scopes": ["users:admin"]}
    assert (await auth_client.post(KEYS, json=body, headers=owner.headers)).status_code == 403
    answer = await auth_client.patch(
        f"/v1/users/{owner.id}", json={"role": "admin"}, headers=owner.headers
    )
    assert answer.status_code == 403
    assert await entries(auth_client, admin) == []


async def test_list_is_filtered_by_user_time_act_and_subject(
    auth_client: httpx2.AsyncClient, state: State, admin: LoggedInUser
) -> None:
    one, other = await create_password_user(state), await create_password_user(state)
    for name in (one.username, other.username, one.username):
        await log_in(auth_client, name)
    assert len(await entries(auth_client, admin)) == 3
    assert len(await entries(auth_client, admin, user_id=str(one.id))) == 2
    assert len(await entries(auth_client, admin, subject_id=str(other.id))) == 1
    assert await entries(auth_client, admin, act="login_failed") == []
    newest, *_, oldest = await entries(auth_client, admin)
    assert len(await entries(auth_client, admin, created_at__gte=oldest["created_at"])) == 3
    assert await entries(auth_client, admin, created_at__lt=oldest["created_at"]) == []
    (first,) = await entries(auth_client, admin, sort="created_at", limit=1)
    assert first["id"] == oldest["id"] != newest["id"]
    answer = await auth_client.get(TRAIL, params={"act": "lunch"}, headers=admin.headers)
    assert answer.status_code == 422


@pytest.mark.parametrize("role", ["member", "editor", "service"])
async def test_list_requires_administrator(
    auth_client: httpx2.AsyncClient, state: State, role: str
) -> None:
    person = await create_user(state, role)
    answer = await auth_client.get(TRAIL, headers=person.headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_audit_events_have_no_write_route(
    auth_client: httpx2.AsyncClient, state: State, admin: LoggedInUser, method: str
) -> None:
    user = await create_password_user(state)
    await log_in(auth_client, user.username)
    (entry,) = await entries(auth_client, admin)
    for address in (TRAIL, f"{TRAIL}/{entry['id']}"):
        answer = await auth_client.request(method, address, json={}, headers=admin.headers)
        assert answer.status_code in (404, 405)
    assert await entries(auth_client, admin) == [entry]


async def test_user_input_is_not_recorded(
    auth_client: httpx2.AsyncClient, state: State, admin: LoggedInUser
) -> None:
    user = await create_password_user(state)
    tokens = await log_in(auth_client, user.username)
    newer = tokens_of(await by_refresh(auth_client, tokens.refresh))
    await by_password(auth_client, user.username, "typed-wrong-password")
    await by_password(auth_client, "typed-wrong-name", "typed-wrong-password")
    await by_password(auth_client, "typed-wrong@name.example", PASSWORD)
    body = {"current_password": PASSWORD, "new_password": "battery staple"}
    await auth_client.post("/v1/me/password", json=body, headers=newer.headers)
    made = await make_key(auth_client, await create_user(state))
    async with state["sql"].engine.connect() as connection:
        rows = str((await connection.execute(text("SELECT * FROM audit_events"))).all())
    secret = made["key"].split("_", 2)[2]
    assert str(UUID(made["id"])) in rows
    for typed in (
        "typed",
        PASSWORD,
        "battery",
        user.username,
        tokens.refresh,
        newer.access,
        secret,
    ):
        assert typed not in rows


async def test_user_changes_are_recorded(
    auth_client: httpx2.AsyncClient, state: State, admin: LoggedInUser
) -> None:
    user = await create_password_user(state)
    address = f"/v1/users/{user.id}"
    for change in ({"status": "suspended"}, {"is_active": False}, {"email": "new@example.com"}):
        assert (await auth_client.patch(address, json=change, headers=admin.headers)).is_success
    assert (await auth_client.delete(address, headers=admin.headers)).is_success
    assert (await auth_client.post(f"{address}/restore", headers=admin.headers)).is_success
    body = {"items": [str(user.id)]}
    bulk = await auth_client.post("/v1/users/bulk/deactivate", json=body, headers=admin.headers)
    assert bulk.is_success
    items = await entries(auth_client, admin, subject_id=str(user.id))
    assert [(item["act"], item["details"]) for item in reversed(items)] == [
        ("user_changed", {"status": "suspended"}),
        ("user_changed", {"is_active": False}),
        ("user_changed", {"email": "changed"}),
        ("user_deleted", {}),
        ("user_restored", {}),
        ("user_changed", {"is_active": False}),
    ]


async def test_suspended_user_is_rejected_at_once(
    auth_client: httpx2.AsyncClient, state: State, admin: LoggedInUser
) -> None:
    person = await create_user(state)
    assert (await auth_client.get("/v1/me", headers=person.headers)).status_code == 200
    change = {"status": "suspended"}
    await auth_client.patch(f"/v1/users/{person.id}", json=change, headers=admin.headers)
    assert (await auth_client.get("/v1/me", headers=person.headers)).status_code == 401
