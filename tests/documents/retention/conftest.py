"""A mongod for each worker, and a service on it for each test."""

from collections.abc import AsyncIterator, Iterator

import pytest

from service.stores.embedded import MongoEngine
from tests.documents.retention.retention_service import (
    RetentionService,
    run_service,
    start_ttl_mongod,
)


@pytest.fixture(scope="session")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoEngine]:
    with start_ttl_mongod(tmp_path_factory.mktemp("mongodb")) as engine:
        yield engine


@pytest.fixture
async def service(mongod: MongoEngine) -> AsyncIterator[RetentionService]:
    async with run_service(mongod.url) as running:
        yield running
