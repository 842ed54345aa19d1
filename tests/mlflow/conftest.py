"""A running service as people's MLflow client and plain HTTP see it."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest

from tests.fixtures.service import running_service
from tests.mlflow.plain import Plain


class Server(NamedTuple):
    """An address and the API key that all its MLflow addresses accept."""

    url: str
    token: str


@pytest.fixture(scope="session")
def mlflow_server(
    prepared_service_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One service for all tests here; each makes what it needs under names of its own."""
    folder = tmp_path_factory.mktemp("mlflow") / "service"
    shutil.copytree(prepared_service_folder, folder)
    with running_service(folder) as service:
        yield Server(service.url, service.headers["Authorization"].removeprefix("Bearer "))


@pytest.fixture(scope="session")
def mlflow_url(mlflow_server: Server) -> str:
    return mlflow_server.url


@pytest.fixture(scope="session")
def mlflow_client(mlflow_server: Server) -> Iterator[Plain]:
    """Plain HTTP with the API key."""
    headers = {"Authorization": f"Bearer {mlflow_server.token}"} if mlflow_server.token else {}
    with httpx2.Client(base_url=mlflow_server.url, headers=headers, timeout=60) as http:
        yield Plain(http)


@pytest.fixture(scope="session")
def mlflow_python() -> str:
    """The interpreter that has people's client: ours, or that of MLFLOW_PYTHON."""
    named = os.environ.get("MLFLOW_PYTHON")
    if named is None and importlib.util.find_spec("mlflow") is None:
        pytest.skip("mlflow-skinny is not installed")
    return named or sys.executable
