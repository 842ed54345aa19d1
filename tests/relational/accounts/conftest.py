"""Clients of an administrator and of two members; every account has an owner."""

from collections.abc import AsyncIterator
from typing import NamedTuple

import httpx2
import pytest
from fastapi import FastAPI

from service.main import State
from tests.auth.factories import create_user
from tests.fixtures.client import client_as, member_caller


class Member(NamedTuple):
    """A user with accounts and their client."""

    id: str
    client: httpx2.AsyncClient


@pytest.fixture
async def admin_client(
    app: FastAPI, state: State, reset_stores: None
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an administrator."""
    person = await create_user(state, "admin")
    async with client_as(member_caller(person.id, "admin"), app, state) as client:
        yield client


@pytest.fixture
async def ada(app: FastAPI, state: State, reset_stores: None) -> AsyncIterator[Member]:
    person = await create_user(state)
    async with client_as(member_caller(person.id), app, state) as client:
        yield Member(str(person.id), client)


@pytest.fixture
async def grace(app: FastAPI, state: State, reset_stores: None) -> AsyncIterator[Member]:
    person = await create_user(state)
    async with client_as(member_caller(person.id), app, state) as client:
        yield Member(str(person.id), client)
