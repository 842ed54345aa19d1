"""Fixtures of MLflow's registry."""

import httpx2
import pytest

from tests.relational.mlflow.registry.session import Registry


@pytest.fixture
def registry(client: httpx2.AsyncClient) -> Registry:
    return Registry(client)
