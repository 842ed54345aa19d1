"""The real gate with limits nobody reaches, so that a test's logins are not counted with others'.

Folders whose tests log in have these fixtures from their conftest.py.
"""

from collections import ChainMap
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from service.auth.rate_limits import RateLimiter
from service.main import State
from service.relational.authenticator import SqlAuthenticator
from tests.fixtures.client import client_for

MANY = "1000000/minute"


def rate_limiter(**limits: str) -> RateLimiter:
    """Limits nobody reaches, but for those a test sets."""
    return RateLimiter(**{"caller": MANY, "address": MANY, "login": MANY, "guess": MANY, **limits})


def with_authenticator(state: State, authenticator: SqlAuthenticator, counting: RateLimiter) -> Any:
    """What the lifespan holds, with another gate."""
    held: Any = state
    return ChainMap({"authenticator": authenticator, "rates": counting}, held)


@pytest.fixture
async def authenticator(state: State, reset_stores: None) -> AsyncIterator[SqlAuthenticator]:
    """A gate of this test's own; what it still writes is written before the tables are emptied."""
    made = SqlAuthenticator(state["sql"], state["keyring"], rate_limiter())
    yield made
    await made.drain()


@pytest.fixture
async def auth_client(
    app: FastAPI, state: State, authenticator: SqlAuthenticator
) -> AsyncIterator[httpx2.AsyncClient]:
    """Speaks to that gate, and has no credentials but those a test gives."""
    async with client_for(
        app, with_authenticator(state, authenticator, rate_limiter())
    ) as speaking:
        yield speaking
