"""One mongod for all tests of a worker, and a service on it for each."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from service.stores.embedded import MongoEngine
from tests.documents.retention.retention_service import Keeping, keeping, mongod_that_deletes


@pytest.fixture(scope="session")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoEngine]:
    with mongod_that_deletes(tmp_path_factory.mktemp("mongodb")) as engine:
        yield engine


@pytest.fixture
async def service(mongod: MongoEngine, tmp_path: Path) -> AsyncIterator[Keeping]:
    async with keeping(mongod.url, tmp_path) as running:
        yield running
