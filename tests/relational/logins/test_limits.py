"""Limits of login attempts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from fastapi import FastAPI

from service.auth.rate_limits import RateLimiter
from service.main import State
from service.relational.authenticator import SqlAuthenticator
from tests.auth.auth_fixtures import rate_limiter, with_authenticator
from tests.fixtures.client import _with_state
from tests.relational.logins.factories import (
    REVOKE,
    by_password,
    by_refresh,
    create_password_user,
    log_in,
)


@asynccontextmanager
async def calling_from(
    address: str, app: FastAPI, state: State, authenticator: SqlAuthenticator, counting: RateLimiter
) -> AsyncIterator[httpx2.AsyncClient]:
    served = _with_state(app, with_authenticator(state, authenticator, counting))
    transport = httpx2.ASGITransport(served, client=(address, 1))
    async with httpx2.AsyncClient(transport=transport, base_url="http://polystore") as client:
        yield client


async def test_login_too_many_failures_limit_the_address(
    app: FastAPI, state: State, authenticator: SqlAuthenticator
) -> None:
    async with calling_from(
        "10.0.0.1", app, state, authenticator, rate_limiter(login="3/minute")
    ) as here:
        for number in range(3):
            assert (await by_password(here, f"nobody{number}")).status_code == 401
        answer = await by_password(here, (await create_password_user(state)).username)
        assert (answer.status_code, answer.json()["code"]) == (429, "too_often")
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert answer.headers["ratelimit-policy"] == '"login";q=3;w=60'
        assert answer.headers["ratelimit"].startswith('"login";r=0;t=')


async def test_login_wrong_refresh_tokens_and_keys_are_counted(
    app: FastAPI, state: State, authenticator: SqlAuthenticator
) -> None:
    async with calling_from(
        "10.0.0.1", app, state, authenticator, rate_limiter(address="3/minute")
    ) as here:
        stem = "rt_00000000000000000000000000000000"
        answers = [await by_refresh(here, f"{stem}_{number}") for number in range(4)]
        assert [answer.status_code for answer in answers] == [401, 401, 401, 429]


async def test_revoke_unknown_tokens_is_limited(
    app: FastAPI, state: State, authenticator: SqlAuthenticator
) -> None:
    """A revocation needs no credentials but writes to PostgreSQL."""
    counting = rate_limiter(login="3/minute", address="3/minute")
    async with calling_from("10.0.0.1", app, state, authenticator, counting) as here:
        form = {"token": f"rt_{'0' * 32}_x"}
        answers = [await here.post(REVOKE, data=form) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]


async def test_login_limit_does_not_affect_other_addresses(
    app: FastAPI, state: State, authenticator: SqlAuthenticator
) -> None:
    user, counting = await create_password_user(state), rate_limiter(guess="2/minute")
    async with (
        calling_from("10.0.0.1", app, state, authenticator, counting) as thief,
        calling_from("10.0.0.2", app, state, authenticator, counting) as owner,
    ):
        tries = [await by_password(thief, user.username, f"guess {n}") for n in range(3)]
        assert [answer.status_code for answer in tries] == [401, 401, 429]
        assert (await by_password(thief, user.username.upper())).status_code == 429
        assert (await by_password(thief, "another-user")).status_code == 401
        assert await log_in(owner, user.username)


async def test_login_limit_ignores_address_headers(
    app: FastAPI, state: State, authenticator: SqlAuthenticator
) -> None:
    async with calling_from(
        "10.0.0.1", app, state, authenticator, rate_limiter(login="2/minute")
    ) as here:
        for number in range(2):
            here.headers["X-Forwarded-For"] = f"10.1.1.{number}"
            assert (await by_password(here, f"nobody{number}")).status_code == 401
        here.headers["X-Forwarded-For"] = "10.1.1.9"
        assert (await by_password(here, "nobody9")).status_code == 429


async def test_login_success_resets_failure_count(
    app: FastAPI, state: State, authenticator: SqlAuthenticator
) -> None:
    user = await create_password_user(state)
    async with calling_from(
        "10.0.0.1", app, state, authenticator, rate_limiter(guess="2/minute")
    ) as here:
        for _ in range(3):
            assert (await by_password(here, user.username, "wrong horse")).status_code == 401
            assert await log_in(here, user.username)


async def test_login_failures_by_email_and_username_share_a_limit(
    app: FastAPI, state: State, authenticator: SqlAuthenticator
) -> None:
    user, counting = await create_password_user(state), rate_limiter(guess="2/minute")
    async with calling_from("10.0.0.1", app, state, authenticator, counting) as thief:
        for name in (user.username, user.email):
            assert (await by_password(thief, name, "wrong horse")).status_code == 401
        assert (await by_password(thief, user.username)).status_code == 429
