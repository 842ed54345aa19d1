"""An administrator and two members, who are users: money is always somebody's."""

from collections.abc import AsyncIterator
from typing import NamedTuple

import httpx2
import pytest
from fastapi import FastAPI

from service.main import State
from tests.auth.factories import create_user
from tests.fixtures.client import client_as, member_caller


class Member(NamedTuple):
    """Somebody with money, and the client that speaks as them."""

    id: str
    client: httpx2.AsyncClient


@pytest.fixture
async def admin_client(
    app: FastAPI, state: State, reset_stores: None
) -> AsyncIterator[httpx2.AsyncClient]:
    """Speaks as an administrator."""
    person = await create_user(state, "admin")
    async with client_as(member_caller(person.id, "admin"), app, state) as speaking:
        yield speaking


@pytest.fixture
async def ada(app: FastAPI, state: State, reset_stores: None) -> AsyncIterator[Member]:
    person = await create_user(state)
    async with client_as(member_caller(person.id), app, state) as speaking:
        yield Member(str(person.id), speaking)


@pytest.fixture
async def grace(app: FastAPI, state: State, reset_stores: None) -> AsyncIterator[Member]:
    person = await create_user(state)
    async with client_as(member_caller(person.id), app, state) as speaking:
        yield Member(str(person.id), speaking)
