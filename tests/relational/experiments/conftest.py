"""Fixtures of experiments."""

import httpx2
import pytest

from service.main import State
from tests.relational.projects.factories import UserFactory


@pytest.fixture
async def user_factory(state: State, anonymous_client: httpx2.AsyncClient) -> UserFactory:
    return UserFactory(state, anonymous_client)
