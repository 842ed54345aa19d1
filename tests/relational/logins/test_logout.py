"""Ends of logins: revocation and password change."""

import httpx2
import pytest

from service.main import State
from tests.auth.factories import bearer, create_key
from tests.relational.logins.factories import (
    PASSWORD,
    REVOKE,
    Tokens,
    by_password,
    by_refresh,
    create_password_user,
    log_in,
    status_of,
    tokens_of,
)

CHANGE = "/v1/me/password"


async def is_over(client: httpx2.AsyncClient, tokens: Tokens) -> bool:
    """Return whether both tokens are invalid."""
    statuses = {
        await status_of(client, tokens.headers),
        (await by_refresh(client, tokens.refresh)).status_code,
    }
    assert len(statuses) == 1, "both or neither"
    return statuses == {401}


@pytest.mark.parametrize("which", ["refresh", "access"])
async def test_revoke_ends_only_the_login_of_the_token(
    auth_client: httpx2.AsyncClient, state: State, which: str
) -> None:
    user = await create_password_user(state)
    ended, other = (
        await log_in(auth_client, user.username),
        await log_in(auth_client, user.username),
    )
    assert await status_of(auth_client, ended.headers) == 200
    for _ in range(2):
        answer = await auth_client.post(REVOKE, data={"token": getattr(ended, which)})
        assert answer.status_code == 200
    assert await is_over(auth_client, ended)
    assert await status_of(auth_client, other.headers) == 200


@pytest.mark.parametrize("token", ["x", "rt_", "rt_x_y", "a.b.c", "rt_" + "0" * 32 + "_x"])
async def test_revoke_invalid_token_is_ignored(
    auth_client: httpx2.AsyncClient, state: State, token: str
) -> None:
    answer = await auth_client.post(REVOKE, data={"token": token})
    assert (answer.status_code, answer.json()) == (200, {"revoked": True})


async def test_revoke_api_key_is_refused(auth_client: httpx2.AsyncClient, state: State) -> None:
    key = await create_key(state, (await create_password_user(state)).id, "posts:read")
    _, key_id, secret = key.split("_", 2)
    form = {"grant_type": "client_credentials", "client_id": key_id, "client_secret": secret}
    minted = (await auth_client.post("/v1/auth/token", data=form)).json()["access_token"]
    for token in (key, minted):
        answer = await auth_client.post(REVOKE, data={"token": token})
        assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_token_type")


async def test_revoke_wrong_secret_keeps_login(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    tokens = await log_in(auth_client, (await create_password_user(state)).username)
    stem, _, _ = tokens.refresh.rpartition("_")
    assert (await auth_client.post(REVOKE, data={"token": f"{stem}_guessed"})).status_code == 200
    assert await status_of(auth_client, tokens.headers) == 200


async def test_revoke_used_refresh_token_keeps_login(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    first = await log_in(auth_client, (await create_password_user(state)).username)
    second = tokens_of(await by_refresh(auth_client, first.refresh))
    await auth_client.post(REVOKE, data={"token": first.refresh})
    assert await status_of(auth_client, second.headers) == 200


async def test_revoke_requires_form_with_token(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    assert (await auth_client.post(REVOKE, data={"token_type_hint": "x"})).status_code == 422
    assert (await auth_client.post(REVOKE, json={"token": "x"})).status_code == 415


async def test_password_change_ends_every_login(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    user = await create_password_user(state)
    this, other = await log_in(auth_client, user.username), await log_in(auth_client, user.username)
    body = {"current_password": PASSWORD, "new_password": "battery staple"}
    answer = await auth_client.post(CHANGE, json=body, headers=this.headers)
    assert answer.status_code == 204
    assert await is_over(auth_client, this)
    assert await is_over(auth_client, other)
    assert (await by_password(auth_client, user.username)).status_code == 401
    new = await log_in(auth_client, user.username, password="battery staple")
    assert await status_of(auth_client, new.headers) == 200


async def test_password_change_ends_refresh_tokens_of_cached_logins(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    user = await create_password_user(state)
    this, other = await log_in(auth_client, user.username), await log_in(auth_client, user.username)
    assert await status_of(auth_client, other.headers) == 200
    body = {"current_password": PASSWORD, "new_password": "battery staple"}
    assert (await auth_client.post(CHANGE, json=body, headers=this.headers)).status_code == 204
    assert await is_over(auth_client, this)
    assert (await by_refresh(auth_client, other.refresh)).status_code == 401


async def test_password_change_wrong_current_password_is_refused(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    user = await create_password_user(state)
    tokens = await log_in(auth_client, user.username)
    body = {"current_password": "wrong horse", "new_password": "battery staple"}
    answer = await auth_client.post(CHANGE, json=body, headers=tokens.headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_password")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/current_password"]
    assert await status_of(auth_client, tokens.headers) == 200
    assert await log_in(auth_client, user.username)


async def test_password_change_with_key_is_refused(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    user = await create_password_user(state)
    key = await create_key(state, user.id, "users:write")
    body = {"current_password": PASSWORD, "new_password": "battery staple"}
    answer = await auth_client.post(CHANGE, json=body, headers=bearer(key))
    assert (answer.status_code, answer.json()["code"]) == (403, "people_only")


@pytest.mark.parametrize("password", ["seven77", "", "x" * 1025, None, 5])
async def test_password_change_invalid_password_is_refused(
    auth_client: httpx2.AsyncClient, state: State, password: object
) -> None:
    tokens = await log_in(auth_client, (await create_password_user(state)).username)
    body = {"current_password": PASSWORD, "new_password": password}
    answer = await auth_client.post(CHANGE, json=body, headers=tokens.headers)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/new_password"]


async def test_password_change_requires_login(auth_client: httpx2.AsyncClient) -> None:
    body = {"current_password": PASSWORD, "new_password": "battery staple"}
    assert (await auth_client.post(CHANGE, json=body)).status_code == 401
