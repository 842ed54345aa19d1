"""Refresh tokens: valid once, within the scopes of the login."""

import asyncio
from collections import Counter
from uuid import UUID

import httpx2
import pytest

from service.auth.roles import scopes_of
from service.main import State
from service.relational.authenticator import SqlAuthenticator
from tests.relational.logins.factories import (
    acts,
    by_refresh,
    change_user,
    create_password_user,
    log_in,
    status_of,
    tokens_of,
)


async def test_refresh_token_is_valid_once(auth_client: httpx2.AsyncClient, state: State) -> None:
    first = await log_in(auth_client, (await create_password_user(state)).username)
    answer = await by_refresh(auth_client, first.refresh)
    assert answer.headers["cache-control"] == "no-store"
    second = tokens_of(answer)
    third = tokens_of(await by_refresh(auth_client, second.refresh))
    assert len({first.refresh, second.refresh, third.refresh}) == 3
    assert await status_of(auth_client, third.headers) == 200


async def test_refresh_token_reuse_ends_the_login(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    user = await create_password_user(state)
    other = await log_in(auth_client, user.username)
    first = await log_in(auth_client, user.username)
    second = tokens_of(await by_refresh(auth_client, first.refresh))
    third = tokens_of(await by_refresh(auth_client, second.refresh))
    assert await status_of(auth_client, third.headers) == 200
    again = await by_refresh(auth_client, first.refresh)
    assert (again.status_code, again.json()["error"]) == (401, "invalid_grant")
    assert (await by_refresh(auth_client, third.refresh)).status_code == 401
    for tokens in (first, second, third):
        assert await status_of(auth_client, tokens.headers) == 401
    assert await status_of(auth_client, other.headers) == 200
    assert (await acts(state)).count(("token_reused", user.id)) == 1


async def test_refresh_two_concurrent_one_succeeds(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    user = await create_password_user(state)
    for _ in range(5):
        first = await log_in(auth_client, user.username)
        answers = await asyncio.gather(*(by_refresh(auth_client, first.refresh) for _ in range(2)))
        assert Counter(answer.status_code for answer in answers) == {200: 1, 401: 1}
        (won,) = (tokens_of(answer) for answer in answers if answer.status_code == 200)
        assert await status_of(auth_client, won.headers) == 401, "the reuse ended the login"


@pytest.mark.parametrize(
    "token",
    ["", "x", "rt_", "rt_x_y", "rt_00000000000000000000000000000000_x", "é" * 50, "\x00", "😀"],
)
async def test_refresh_invalid_token_is_refused(
    auth_client: httpx2.AsyncClient, state: State, token: str
) -> None:
    answer = await by_refresh(auth_client, token)
    assert answer.status_code in (400, 401, 422)


async def test_refresh_token_of_inactive_user_is_refused(
    auth_client: httpx2.AsyncClient, state: State, authenticator: SqlAuthenticator
) -> None:
    user = await create_password_user(state)
    tokens = await log_in(auth_client, user.username)
    await change_user(state, user.id, is_active=False)
    assert (await by_refresh(auth_client, tokens.refresh)).status_code == 401
    assert await status_of(auth_client, tokens.headers) == 401


async def test_role_reduction_removes_scopes_of_earlier_tokens(
    auth_client: httpx2.AsyncClient, state: State, authenticator: SqlAuthenticator
) -> None:
    user = await create_password_user(state, "editor")
    tokens = await log_in(auth_client, user.username)
    assert (
        "posts:admin" in (await auth_client.get("/v1/me", headers=tokens.headers)).json()["scopes"]
    )
    await change_user(state, user.id, role="member")
    fresh = tokens_of(await by_refresh(auth_client, tokens.refresh))
    authenticator.invalidate(UUID(fresh.refresh.split("_")[1]))
    scopes = (await auth_client.get("/v1/me", headers=fresh.headers)).json()["scopes"]
    assert set(scopes) <= scopes_of("member")


async def test_refresh_keeps_reduced_scopes(auth_client: httpx2.AsyncClient, state: State) -> None:
    user = await create_password_user(state)
    narrow = await log_in(auth_client, user.username, scope="posts:read tags:read")
    answer = await by_refresh(auth_client, narrow.refresh)
    assert answer.json()["scope"] == "posts:read tags:read"
    fewer = await by_refresh(auth_client, tokens_of(answer).refresh, scope="tags:read")
    assert fewer.json()["scope"] == "tags:read"
    again = await by_refresh(auth_client, tokens_of(fewer).refresh)
    assert again.json()["scope"] == "posts:read tags:read", "RFC 6749, section 6"


async def test_refresh_excess_scopes_do_not_consume_token(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    tokens = await log_in(auth_client, (await create_password_user(state)).username)
    answer = await by_refresh(auth_client, tokens.refresh, scope="users:admin")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")
    assert (await by_refresh(auth_client, tokens.refresh)).status_code == 200
