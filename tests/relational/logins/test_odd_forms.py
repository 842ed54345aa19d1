"""Malformed and hostile forms of token requests."""

import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
from fastapi import FastAPI

from service.main import State
from service.relational.authenticator import SqlAuthenticator
from tests.auth.auth_fixtures import rate_limiter, with_authenticator
from tests.fixtures.client import client_for
from tests.relational.logins.factories import (
    REVOKE,
    TOKEN,
    StoredUser,
    by_password,
    create_password_user,
    request_token,
)

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ODD = [
    "%00", "a%00b", "%F0%9F%98%80", "%ED%A0%80", "%ED%B0%80%ED%A0%80", "%FF%FE", "%C0%80", "%",
    "%%", "%u0000", "+", "%0D%0A", "%E2%80%AE", "a" * 300, "%27%20OR%201%3D1%20--", "%25", "@",
    "a@", "@@", "%E1%BA%9E", "%C4%B0",
]  # fmt: skip


@pytest.fixture(scope="module")
async def auth_client(
    app: FastAPI, state: State, module_stores: None
) -> AsyncIterator[httpx2.AsyncClient]:
    """One client for the module: its authenticator has limits that no test reaches."""
    authenticator = SqlAuthenticator(state["sql"], state["keyring"], rate_limiter())
    async with client_for(app, with_authenticator(state, authenticator, rate_limiter())) as client:
        yield client
    await authenticator.drain()


@pytest.fixture(scope="module")
async def user(state: State, module_stores: None) -> StoredUser:
    return await create_password_user(state)


@pytest.mark.parametrize("odd", ODD)
async def test_token_form_invalid_bytes_are_refused(
    auth_client: httpx2.AsyncClient, user: StoredUser, odd: str
) -> None:
    bodies = [
        f"grant_type=password&username={odd}&password=correct+horse",
        f"grant_type=password&username={user.username}&password={odd}",
        f"grant_type=refresh_token&refresh_token={odd}",
        f"grant_type=refresh_token&refresh_token=rt_{'0' * 32}_{odd}",
        f"grant_type=client_credentials&client_id={odd}&client_secret={odd}",
        f"grant_type=client_credentials&client_id={'0' * 32}&client_secret={odd}",
        f"grant_type={odd}",
        f"grant_type=password&username=a&password=b&scope={odd}",
        f"{odd}={odd}",
    ]
    for body in bodies:
        answer = await auth_client.post(TOKEN, content=body.encode(), headers=FORM)
        assert 400 <= answer.status_code < 500, body


@pytest.mark.parametrize("odd", ODD)
async def test_revoke_invalid_bytes_cause_no_error(
    auth_client: httpx2.AsyncClient, odd: str
) -> None:
    for body in (f"token={odd}", f"token=rt_{odd}", f"token=rt_{'0' * 32}_{odd}"):
        answer = await auth_client.post(REVOKE, content=body.encode(), headers=FORM)
        assert answer.status_code in (200, 422), body


async def test_login_too_long_password_is_refused_before_hashing(
    auth_client: httpx2.AsyncClient, user: StoredUser
) -> None:
    began = time.process_time()
    for password in ("x" * 10_000, "é" * 513):
        answer = await by_password(auth_client, user.username, password)
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/password"]
        assert password not in answer.text
    assert time.process_time() - began < 1


async def test_token_form_too_large_is_refused(
    auth_client: httpx2.AsyncClient,
) -> None:
    assert (await by_password(auth_client, "x", "x" * 70_000)).status_code == 413
    many = urlencode([(f"a{n}", "") for n in range(2000)]).encode()
    answer = await auth_client.post(TOKEN, content=b"grant_type=x&" + many, headers=FORM)
    assert answer.status_code in (400, 413)


@pytest.mark.parametrize("again", ["grant_type=password", "username=y", "scope=posts:read"])
async def test_token_form_repeated_field_grants_no_more(
    auth_client: httpx2.AsyncClient, again: str
) -> None:
    body = f"grant_type=password&username=x&password=y&scope=a&{again}"
    answer = await auth_client.post(TOKEN, content=body.encode(), headers=FORM)
    assert answer.status_code in (400, 401, 422)


async def test_token_form_values_are_not_in_errors(
    auth_client: httpx2.AsyncClient,
) -> None:
    typed = "s3cr3t-typed-by-mistake"
    fields: list[dict[str, Any]] = [
        {"username": typed, "password": typed},
        {"username": typed * 20, "password": typed * 60},
        {"refresh_token": typed},
        {"scope": typed},
    ]
    for grant in ("password", "refresh_token", "client_credentials", typed):
        for form in fields:
            assert typed not in (await request_token(auth_client, grant, **form)).text


@pytest.mark.parametrize("sent", [b"Basic \xe9", b"Basic =", b"Basic Og==", b"Basic /////w=="])
async def test_basic_auth_invalid_credentials_are_refused(
    auth_client: httpx2.AsyncClient, sent: bytes
) -> None:
    answer = await auth_client.post(
        TOKEN, data={"grant_type": "client_credentials"}, headers={b"Authorization": sent}
    )
    assert answer.status_code in (400, 401)
