"""Fixtures of the registry: users, and a project with an owner."""

from typing import Any

import httpx2
import pytest

from service.main import State
from tests.relational.projects.factories import ProjectUser, UserFactory, make_project


@pytest.fixture
async def user_factory(state: State, anonymous_client: httpx2.AsyncClient) -> UserFactory:
    return UserFactory(state, anonymous_client)


@pytest.fixture
async def owner(user_factory: UserFactory) -> ProjectUser:
    return await user_factory.create()


@pytest.fixture
async def project(owner: ProjectUser) -> dict[str, Any]:
    return await make_project(owner)
