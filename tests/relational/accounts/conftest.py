"""An administrator and two members, who are users: money is always somebody's."""

from collections.abc import AsyncIterator
from typing import NamedTuple

import httpx2
import pytest
from fastapi import FastAPI

from service.main import State
from tests.auth.factories import somebody
from tests.fixtures.client import member, speaking_as


class Member(NamedTuple):
    """Somebody with money, and the client that speaks as them."""

    id: str
    client: httpx2.AsyncClient


@pytest.fixture
async def boss(app: FastAPI, state: State, clean: None) -> AsyncIterator[httpx2.AsyncClient]:
    """Speaks as an administrator."""
    person = await somebody(state, "admin")
    async with speaking_as(member(person.id, "admin"), app, state) as speaking:
        yield speaking


@pytest.fixture
async def ada(app: FastAPI, state: State, clean: None) -> AsyncIterator[Member]:
    person = await somebody(state)
    async with speaking_as(member(person.id), app, state) as speaking:
        yield Member(str(person.id), speaking)


@pytest.fixture
async def grace(app: FastAPI, state: State, clean: None) -> AsyncIterator[Member]:
    person = await somebody(state)
    async with speaking_as(member(person.id), app, state) as speaking:
        yield Member(str(person.id), speaking)
