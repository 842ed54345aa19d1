"""The authenticator: accepted credentials, and the errors for all others."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from service.auth.access_tokens import Claims
from service.main import State
from tests.auth.factories import bearer, create_key, create_user
from tests.documents.predictions.factories import make_event

ME, TAGS, EVENTS, TOKEN = "/v1/me", "/v1/tags", "/v1/predictions", "/v1/auth/token"
HOUR = timedelta(hours=1)


async def test_request_without_credentials_is_unauthenticated(
    anonymous_client: httpx2.AsyncClient,
) -> None:
    answer = await anonymous_client.get(ME)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == 'Bearer realm="polystore"'


@pytest.mark.parametrize(
    "header",
    [
        "Basic YTo=",
        "Basic ?",
        "Basic /w==",
        "Bearer",
        "Bearer ",
        "Digest x",
        "",
        "Token x",
        "Bearerx",
    ],
)
async def test_credentials_other_than_bearer_are_refused(
    anonymous_client: httpx2.AsyncClient, header: str
) -> None:
    answer = await anonymous_client.get(ME, headers={"Authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer ")


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://polystore"}, False),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://other.example"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Origin": "https://other.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://polystore"}, True),
        ({}, True),
    ],
)
async def test_basic_of_another_sites_page_changes_nothing(
    anonymous_client: httpx2.AsyncClient, state: State, headers: dict[str, str], allowed: bool
) -> None:
    owner = await create_user(state, "admin")
    create, get = (f"/api/2.0/mlflow/experiments/{last}" for last in ("create", "get"))
    options: Any = {"headers": headers, "auth": ("any", owner.token)}
    made = await anonymous_client.post(create, content=b'{"name": "forged"}', **options)
    assert made.status_code == (200 if allowed else 403)
    read = await anonymous_client.get(get, params={"experiment_id": "0"}, **options)
    assert read.status_code == 200
    with_bearer = {**headers, **bearer(owner.token)}
    made = await anonymous_client.post(create, json={"name": "own"}, headers=with_bearer)
    assert made.status_code == 200


async def test_token_as_password_of_url_is_accepted(
    anonymous_client: httpx2.AsyncClient, state: State
) -> None:
    owner = await create_user(state, "service")
    key = await create_key(state, owner.id, "predictions:write")
    for right in (key, owner.token):
        answer = await anonymous_client.post(EVENTS, json=make_event(), auth=("any", right))
        assert answer.status_code == 201
    for wrong in (f"{key}x", f"{owner.token}x", "", "pk_", "a password"):
        answer = await anonymous_client.post(EVENTS, json=make_event(), auth=("key", wrong))
        assert answer.status_code == 401, wrong


@pytest.mark.parametrize("token", ["x", "a.b.c", "pk_", "rt_x_y", "e30.e30.e30", "x y", "x" * 9000])
async def test_token_malformed_is_refused(anonymous_client: httpx2.AsyncClient, token: str) -> None:
    answer = await anonymous_client.get(ME, headers=bearer(token))
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert token == "x" or token not in str(answer.headers)


async def test_scheme_in_any_case_is_accepted(
    anonymous_client: httpx2.AsyncClient, state: State
) -> None:
    person = await create_user(state)
    for scheme in ("bearer", "BEARER", "Bearer "):
        headers = {"Authorization": f"{scheme} {person.token}"}
        assert (await anonymous_client.get(ME, headers=headers)).status_code == 200


async def test_two_authorization_headers_are_refused(
    anonymous_client: httpx2.AsyncClient, state: State
) -> None:
    person = await create_user(state)
    headers = [("Authorization", "Bearer x"), ("Authorization", f"Bearer {person.token}")]
    assert (await anonymous_client.get(ME, headers=headers)).status_code == 400


async def test_missing_scope_is_named(anonymous_client: httpx2.AsyncClient, state: State) -> None:
    member_caller = await create_user(state)
    answer = await anonymous_client.post(TAGS, json={"name": "x"}, headers=member_caller.headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
    assert "tags:write" in answer.json()["detail"]
    challenge = answer.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="tags:write"' in challenge


async def test_scope_is_checked_before_body_is_read(
    anonymous_client: httpx2.AsyncClient, state: State
) -> None:
    member_caller = await create_user(state)
    answer = await anonymous_client.post(TAGS, content=b"{not json", headers=member_caller.headers)
    assert answer.status_code == 403
    assert (await anonymous_client.post(TAGS, content=b"{not json")).status_code == 401


async def test_token_of_unknown_login_is_refused(
    anonymous_client: httpx2.AsyncClient, state: State
) -> None:
    person = await create_user(state)
    scopes = frozenset({"users:read"})
    for claims in (
        Claims(person.id, scopes),
        Claims(person.id, scopes, login_id=uuid4()),
        Claims(person.id, scopes, key_id=uuid4()),
        Claims(person.id, scopes, key_id=person.login_id),
    ):
        token = state["keyring"].sign(claims, HOUR)
        assert (await anonymous_client.get(ME, headers=bearer(token))).status_code == 401


async def test_token_scopes_are_limited_by_login_and_role(
    anonymous_client: httpx2.AsyncClient, state: State
) -> None:
    person = await create_user(state)
    claims = Claims(person.id, frozenset({"users:admin", "posts:read"}), person.login_id)
    token = state["keyring"].sign(claims, HOUR)
    me = (await anonymous_client.get(ME, headers=bearer(token))).json()
    assert me["scopes"] == ["posts:read", "users:read", "users:write"]
