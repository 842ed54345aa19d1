"""The authenticator: accepted credentials, and the errors for all others."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI

from service.auth.access_tokens import Claims
from service.main import State
from service.relational.authenticator import SqlAuthenticator
from service.stores.sql.errors import SqlUnreachable
from tests.auth.auth_fixtures import rate_limiter, with_authenticator
from tests.auth.factories import LoggedInUser, bearer, create_key, create_user
from tests.documents.predictions.factories import make_event
from tests.documents.predictions.live_server import exchange, serving
from tests.fixtures.client import client_for

ME, TAGS, EVENTS, TOKEN = "/v1/me", "/v1/tags", "/v1/predictions", "/v1/auth/token"
HOUR = timedelta(hours=1)


class _Sql:
    """PostgreSQL as the authenticator uses it; it can be set to down."""

    def __init__(self, state: State) -> None:
        self._sql, self.down = state["sql"], False

    async def run(self, work: Any, *, writes: bool) -> Any:
        if self.down:
            raise SqlUnreachable
        return await self._sql.run(work, writes=writes)


@pytest.fixture
def sql(state: State) -> _Sql:
    return _Sql(state)


@pytest.fixture
async def own_authenticator(
    state: State, reset_stores: None, sql: _Sql
) -> AsyncIterator[SqlAuthenticator]:
    made = SqlAuthenticator(sql, state["keyring"], rate_limiter(address="5/minute"))  # type: ignore[arg-type]
    yield made
    await made.drain()


@pytest.fixture
async def caller(
    app: FastAPI, state: State, own_authenticator: SqlAuthenticator
) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_for(
        app, with_authenticator(state, own_authenticator, rate_limiter())
    ) as client:
        yield client


async def test_request_without_credentials_is_unauthenticated(
    anonymous_client: httpx2.AsyncClient,
) -> None:
    answer = await anonymous_client.get(ME)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == 'Bearer realm="polystore"'


@pytest.mark.parametrize(
    "header",
    [
        "Basic YTpi",
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


async def test_key_as_password_of_url_is_accepted(
    anonymous_client: httpx2.AsyncClient, state: State
) -> None:
    owner = await create_user(state, "service")
    key = await create_key(state, owner.id, "predictions:write")
    answer = await anonymous_client.post(EVENTS, json=make_event(), auth=("key", key))
    assert answer.status_code == 201
    for wrong in (f"{key}x", owner.token, "", "pk_"):
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
    assert (await anonymous_client.get(ME, headers=headers)).status_code == 401


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


async def test_postgresql_down_cached_key_works_and_other_gets_503(
    caller: httpx2.AsyncClient, state: State, own_authenticator: SqlAuthenticator, sql: _Sql
) -> None:
    owner = await create_user(state, "service")
    known, unknown = [await create_key(state, owner.id, "predictions:write") for _ in range(2)]
    assert (await log_event(caller, known)).status_code == 201
    sql.down = True
    assert (await log_event(caller, known)).status_code == 201
    answer = await log_event(caller, unknown)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    sql.down = False
    assert (await log_event(caller, unknown)).status_code == 201


async def log_event(client: httpx2.AsyncClient, token: str) -> httpx2.Response:
    return await client.post(EVENTS, json=make_event(), headers=bearer(token))


async def test_postgresql_down_cached_key_works_for_15_minutes(
    caller: httpx2.AsyncClient, state: State, own_authenticator: SqlAuthenticator, sql: _Sql
) -> None:
    owner = await create_user(state, "service")
    key = await create_key(state, owner.id, "predictions:write")
    assert (await log_event(caller, key)).status_code == 201
    sql.down = True
    start = own_authenticator._keys._now()
    own_authenticator._keys._now = lambda: start + 800
    assert (await log_event(caller, key)).status_code == 201
    wrong = f"{key}x"
    assert (await log_event(caller, wrong)).status_code in (401, 503)
    own_authenticator._keys._now = lambda: start + 901
    assert (await log_event(caller, key)).status_code == 503


async def test_postgresql_down_cached_login_works(
    caller: httpx2.AsyncClient, state: State, sql: _Sql
) -> None:
    person, newcomer = await create_user(state, "service"), await create_user(state, "service")
    assert (await log_event(caller, person.token)).status_code == 201
    sql.down = True
    assert (await log_event(caller, newcomer.token)).status_code == 503
    assert (await log_event(caller, person.token)).status_code == 201
    forbidden = await caller.post(TAGS, json={"name": "x"}, headers=person.headers)
    assert forbidden.status_code == 403
    assert (await log_event(caller, f"{person.token}x")).status_code == 401


async def test_postgresql_down_token_of_uncached_key_gets_503(
    caller: httpx2.AsyncClient, state: State, sql: _Sql
) -> None:
    person = await create_user(state, "service")
    claims = Claims(person.id, frozenset({"predictions:write"}), key_id=uuid4())
    sql.down = True
    answer = await log_event(caller, state["keyring"].sign(claims, HOUR))
    assert answer.status_code == 503


async def test_requests_without_credentials_are_limited(caller: httpx2.AsyncClient) -> None:
    answers = [await caller.get(ME) for _ in range(8)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 3
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert answers[-1].headers["ratelimit-policy"] == '"address";q=5;w=60'
    assert answers[0].headers["x-request-id"]


@pytest.mark.parametrize(
    "header", ["Bearer garbage", "Bearer a.b.c", "Bearer pk_x_y", "Basic YTpi"]
)
async def test_requests_with_wrong_credentials_are_limited(
    caller: httpx2.AsyncClient, header: str
) -> None:
    answers = [await caller.get(ME, headers={"Authorization": header}) for _ in range(8)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 3


async def test_authenticated_caller_is_not_limited_by_their_address(
    caller: httpx2.AsyncClient, state: State
) -> None:
    person = await create_user(state)
    for _ in range(8):
        await caller.get(ME)
    answer = await caller.get(ME, headers=person.headers)
    assert answer.status_code == 200
    assert answer.headers["ratelimit"].startswith('"caller";')


async def test_caller_with_too_many_requests_is_limited(
    app: FastAPI, state: State, reset_stores: None
) -> None:
    authenticator = SqlAuthenticator(
        state["sql"], state["keyring"], rate_limiter(caller="3/minute")
    )
    one, other = await create_user(state), await create_user(state)
    async with client_for(app, with_authenticator(state, authenticator, rate_limiter())) as client:
        answers = [await client.get(ME, headers=one.headers) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert (await client.get(ME, headers=other.headers)).status_code == 200
    await authenticator.drain()


@pytest.mark.parametrize(
    ("address", "status"), [("/livez", 200), ("/v1/nowhere", 404), (ME, 401), (TOKEN, 405)]
)
async def test_every_response_has_security_headers(
    anonymous_client: httpx2.AsyncClient, address: str, status: int
) -> None:
    answer = await anonymous_client.get(address)
    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "cache-control" in answer.headers
    assert "strict-transport-security" not in answer.headers


async def test_authenticated_response_has_security_headers(
    anonymous_client: httpx2.AsyncClient, state: State
) -> None:
    person: LoggedInUser = await create_user(state)
    answer = await anonymous_client.get(ME, headers=person.headers)
    assert answer.status_code == 200
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize("name", ["Authorization: Bearer x", "X-Request-Id: x", "X-Any: x"])
@pytest.mark.parametrize("cut", [b"\r", b"\n", b"\x00", b"%0d%0a"])
async def test_request_header_cannot_inject_response_header(
    state: State, reset_stores: None, name: str, cut: bytes
) -> None:
    sent = b"GET /livez HTTP/1.1\r\nHost: x\r\n" + name.encode() + cut + b"X-Evil: 1\r\n\r\n"
    async with serving(state) as port:
        answer = await response_head(port, sent)
    assert "x-evil" not in answer.lower()
    if cut == b"%0d%0a":
        assert "x-request-id" in answer.lower(), "without a response the test would prove nothing"


async def response_head(port: int, sent: bytes) -> str:
    """Return the headers of the response; empty if the server closed the connection."""
    try:
        answer = await exchange(port, sent)
    except (ConnectionError, EOFError, AssertionError):
        return ""
    return "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
