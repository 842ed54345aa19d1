"""Grants of access tokens for a password, a refresh token or an API key."""

import base64
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx2
import pytest

from service.auth.roles import scopes_of
from service.main import State
from tests.auth.factories import bearer, create_key, create_user
from tests.relational.logins.factories import (
    PASSWORD,
    TOKEN,
    acts,
    by_password,
    by_refresh,
    create_password_user,
    request_token,
    tokens_of,
)


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{client_id}:{secret}'.encode()).decode()}"}


async def test_password_grant_takes_email_or_username_in_any_case(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    user = await create_password_user(state)
    for name in (user.username, user.username.upper(), user.email, user.email.swapcase()):
        answer = await by_password(auth_client, name)
        body = answer.json()
        assert (body["token_type"], body["expires_in"]) == ("bearer", 900)
        assert set(body["scope"].split()) == scopes_of("member")
        assert answer.headers["cache-control"] == "no-store"
        me = await auth_client.get("/v1/me", headers=tokens_of(answer).headers)
        assert (me.json()["id"], me.json()["key_id"]) == (str(user.id), None)
    assert await acts(state) == [("login", user.id)] * 4


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"password_hash": None},
        {"password_hash": "not a hash"},
        {"password_hash": ""},
        {"is_active": False},
        {"status": "inactive"},
        {"status": "suspended"},
        {"status": "pending"},
        {"deleted_at": datetime(2026, 1, 1, tzinfo=UTC)},
    ],
    ids=str,
)
async def test_password_grant_failures_have_one_response(
    auth_client: httpx2.AsyncClient, state: State, values: dict[str, Any]
) -> None:
    user = await create_password_user(state, **values)
    password = PASSWORD if values else "wrong horse"
    unknown = await by_password(auth_client, "nobody-has-this-name", password)
    for name in (user.username, user.email):
        answer = await by_password(auth_client, name, password)
        assert answer.status_code == 401
        assert answer.json()["error"] == answer.json()["code"] == "invalid_grant"
        assert without_id(answer) == without_id(unknown)
        assert answer.headers["www-authenticate"] == unknown.headers["www-authenticate"]
    recorded = await acts(state)
    assert [act for act, _ in recorded] == ["login_failed"] * 3
    assert recorded[0] == ("login_failed", None)


def without_id(answer: httpx2.Response) -> dict[str, Any]:
    return {**answer.json(), "request_id": ""}


async def test_password_grant_failure_is_recorded_with_user(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    user = await create_password_user(state)
    await by_password(auth_client, user.username, "wrong horse")
    assert await acts(state) == [("login_failed", user.id)]


async def test_client_grant_takes_key_by_form_or_http_basic(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    owner = await create_user(state)
    key = await create_key(state, owner.id, "posts:read", "posts:write")
    _, key_id, secret = key.split("_", 2)
    answers = [
        await request_token(
            auth_client, "client_credentials", client_id=f"pk_{key_id}", client_secret=secret
        ),
        await request_token(
            auth_client, "client_credentials", client_id=f"pk_{key_id}", client_secret=key
        ),
    ]
    answers += [
        await auth_client.post(TOKEN, data={"grant_type": "client_credentials"}, headers=headers)
        for headers in (basic(f"pk_{key_id}", secret), basic(key_id, secret))
    ]
    for answer in answers:
        body = answer.json()
        assert (answer.status_code, body["scope"]) == (200, "posts:read posts:write")
        assert "refresh_token" not in body
        assert answer.headers["cache-control"] == "no-store"
        me = (await auth_client.get("/v1/me", headers=bearer(body["access_token"]))).json()
        assert me["key_id"] == str(UUID(key_id))


@pytest.mark.parametrize(
    ("client_id", "secret"),
    [("pk_x", "y"), ("nobody", "y"), ("pk_00000000000000000000000000000000", "y"), ("é", "é")],
)
async def test_client_grant_invalid_key_is_refused(
    auth_client: httpx2.AsyncClient, state: State, client_id: str, secret: str
) -> None:
    for answer in (
        await request_token(
            auth_client, "client_credentials", client_id=client_id, client_secret=secret
        ),
        await auth_client.post(
            TOKEN, data={"grant_type": "client_credentials"}, headers=basic(client_id, secret)
        ),
    ):
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert answer.headers["www-authenticate"].startswith("Basic ")


@pytest.mark.parametrize("header", ["Basic", "Basic !", "Basic /w==", "Basic Og==", "Basic YQ=="])
async def test_client_grant_malformed_basic_header_is_refused(
    auth_client: httpx2.AsyncClient, state: State, header: str
) -> None:
    answer = await auth_client.post(
        TOKEN, data={"grant_type": "client_credentials"}, headers={"Authorization": header}
    )
    assert answer.status_code in (400, 401)


async def test_token_scopes_can_be_reduced_but_not_extended(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    user = await create_password_user(state)
    answer = await by_password(auth_client, user.username, scope="posts:read tags:read")
    narrow = tokens_of(answer)
    assert answer.json()["scope"] == "posts:read tags:read"
    me = await auth_client.get("/v1/me", headers=narrow.headers)
    assert me.json()["scopes"] == ["posts:read", "tags:read"]
    key = await create_key(state, user.id, "posts:read", "posts:write")
    _, key_id, secret = key.split("_", 2)
    as_client = {"client_id": key_id, "client_secret": secret}
    for more in (
        await by_password(auth_client, user.username, scope="users:admin"),
        await by_password(auth_client, user.username, scope="posts:read nonsense"),
        await by_refresh(auth_client, narrow.refresh, scope="posts:write"),
        await request_token(auth_client, "client_credentials", scope="tags:read", **as_client),
    ):
        assert (more.status_code, more.json()["error"]) == (400, "invalid_scope")
    less = await request_token(auth_client, "client_credentials", scope="posts:read", **as_client)
    assert less.json()["scope"] == "posts:read"


@pytest.mark.parametrize("grant", ["implicit", "authorization_code", "PASSWORD", "", "😀"])
async def test_grant_type_unknown_is_refused(
    auth_client: httpx2.AsyncClient, state: State, grant: str
) -> None:
    answer = await request_token(auth_client, grant, username="x", password="y")
    assert answer.status_code in ((400,) if grant else (400, 422))
    if grant:
        assert answer.json()["error"] == "unsupported_grant_type"


@pytest.mark.parametrize(
    ("form", "pointers"),
    [
        ({"grant_type": "password"}, {"/username", "/password"}),
        ({"grant_type": "password", "username": "x"}, {"/username", "/password"}),
        ({"grant_type": "password", "password": "x"}, {"/username", "/password"}),
        ({"grant_type": "refresh_token"}, {"/refresh_token"}),
        ({"grant_type": "client_credentials"}, {"/client_id", "/client_secret"}),
        ({"grant_type": "client_credentials", "client_id": "x"}, {"/client_id", "/client_secret"}),
    ],
)
async def test_grant_missing_fields_are_named(
    auth_client: httpx2.AsyncClient, state: State, form: dict[str, str], pointers: set[str]
) -> None:
    answer = await auth_client.post(TOKEN, data=form)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert {error["pointer"] for error in answer.json()["errors"]} == pointers


async def test_grant_type_missing_is_refused(auth_client: httpx2.AsyncClient, state: State) -> None:
    for form in ({}, {"username": "x"}):
        assert (await auth_client.post(TOKEN, data=form)).status_code in (400, 415, 422)


async def test_token_request_requires_form(auth_client: httpx2.AsyncClient, state: State) -> None:
    form = {"grant_type": "password", "username": "x", "password": "y"}
    for answer in (
        await auth_client.post(TOKEN, json=form),
        await auth_client.post(TOKEN, data=form, files={"a": b"b"}),
        await auth_client.post(TOKEN, content=b"grant_type=password"),
    ):
        assert answer.status_code == 415
