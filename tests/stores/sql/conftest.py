"""Repositories on a session that is rolled back after the test."""

from collections.abc import AsyncIterator

import pytest

from service.main import State
from service.relational.tags.repository import TagRepository
from service.stores.sql.context import SqlContext
from tests.fixtures.test_reset import filled_tables
from tests.stores.sql.repositories import TagEntityRepository


@pytest.fixture
async def no_row_is_left(state: State) -> AsyncIterator[None]:
    """After each test, fail if a table holds a row."""
    yield
    assert await filled_tables(state) == set()


@pytest.fixture(params=[TagRepository, TagEntityRepository])
def any_tags(request: pytest.FixtureRequest, sql_context: SqlContext) -> TagRepository:
    """A repository of columns, and one of entities."""
    repository: TagRepository = request.param(sql_context)
    return repository
