"""People for the tests of projects."""

import httpx2
import pytest

from service.main import State
from tests.relational.projects.factories import People


@pytest.fixture
async def people(state: State, anonymous_client: httpx2.AsyncClient) -> People:
    return People(state, anonymous_client)
