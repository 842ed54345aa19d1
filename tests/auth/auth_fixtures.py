"""The real authenticator with limits that no test reaches by accident.

Packages whose tests log in import these fixtures in their conftest.py.
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
    """Return limits that no test reaches, except those in ``limits``."""
    return RateLimiter(**{"caller": MANY, "address": MANY, "login": MANY, "guess": MANY, **limits})


def with_authenticator(state: State, authenticator: SqlAuthenticator, limiter: RateLimiter) -> Any:
    """Return the state of the lifespan with another authenticator and rate limiter."""
    base: Any = state
    return ChainMap({"authenticator": authenticator, "rates": limiter}, base)


@pytest.fixture
async def authenticator(state: State, reset_stores: None) -> AsyncIterator[SqlAuthenticator]:
    """An authenticator of this test; its pending writes end before the tables are emptied."""
    authenticator = SqlAuthenticator(state["sql"], state["keyring"], rate_limiter())
    yield authenticator
    await authenticator.drain()


@pytest.fixture
async def auth_client(
    app: FastAPI, state: State, authenticator: SqlAuthenticator
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of that authenticator, without credentials."""
    async with client_for(app, with_authenticator(state, authenticator, rate_limiter())) as client:
        yield client
