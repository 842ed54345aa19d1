"""A client over a real MongoDB, whose runs and logged models are in memory."""

from collections import ChainMap
from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI

from service.auth.artifact_owners import ArtifactRoot
from service.main import State
from tests.documents.artifacts.owners import KnownOwners
from tests.fixtures.client import ADMINISTRATOR, FakeAuthenticator, client_for


@pytest.fixture
def owners() -> KnownOwners:
    return KnownOwners()


@pytest.fixture
def root(owners: KnownOwners) -> ArtifactRoot:
    """A run."""
    return owners.add()


@pytest.fixture
async def client(
    app: FastAPI, state: State, reset_stores: None, owners: KnownOwners
) -> AsyncIterator[httpx2.AsyncClient]:
    own = {"authenticator": FakeAuthenticator(ADMINISTRATOR), "artifact_owners": owners}
    async with client_for(app, ChainMap(own, state)) as speaking:  # type: ignore[arg-type] # a TypedDict
        yield speaking
