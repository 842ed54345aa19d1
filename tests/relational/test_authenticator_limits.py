"""Rate limits of the authenticator, and its cache while PostgreSQL is down."""

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
from tests.auth.factories import bearer, create_key, create_user
from tests.documents.predictions.factories import make_event
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
