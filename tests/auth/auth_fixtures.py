"""The real gate with limits nobody reaches, so that a test's logins are not counted with others'.

Folders whose tests log in have these fixtures from their conftest.py.
"""

from collections import ChainMap
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from service.auth.rate_limits import Rates
from service.main import State
from service.relational.authenticator import Gate
from tests.fixtures.client import speaking_to

MANY = "1000000/minute"


def rates(**limits: str) -> Rates:
    """Limits nobody reaches, but for those a test sets."""
    return Rates(**{"caller": MANY, "address": MANY, "login": MANY, "guess": MANY, **limits})


def with_gate(state: State, gate: Gate, counting: Rates) -> Any:
    """What the lifespan holds, with another gate."""
    held: Any = state
    return ChainMap({"gate": gate, "rates": counting}, held)


@pytest.fixture
async def gate(state: State, clean: None) -> AsyncIterator[Gate]:
    """A gate of this test's own; what it still writes is written before the tables are emptied."""
    made = Gate(state["sql"], state["keyring"], rates())
    yield made
    await made.drain()


@pytest.fixture
async def door(app: FastAPI, state: State, gate: Gate) -> AsyncIterator[httpx2.AsyncClient]:
    """Speaks to that gate, and has no credentials but those a test gives."""
    async with speaking_to(app, with_gate(state, gate, rates())) as speaking:
        yield speaking
