"""MLflow's own server, for comparison; ``MLFLOW_REFERENCE_PYTHON`` names the Python that has it."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import asyncpg

from benchmarks.running_service import free_port, wait_for

VARIABLE = "MLFLOW_REFERENCE_PYTHON"
DATABASE = "mlflow_reference"
ONE_SERVER = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


async def make_database(database_url: str) -> str:
    """Make a database beside the service's own, in the same engine; return its libpq URL."""
    url = database_url.replace("+asyncpg", "")
    connection = await asyncpg.connect(url)
    await connection.execute(f"CREATE DATABASE {DATABASE}")
    await connection.close()
    return urlsplit(url)._replace(path=f"/{DATABASE}").geturl()


@contextmanager
def running_reference(python: str, database_url: str) -> Iterator[str]:
    """Run MLflow's server with one worker; yield its URL. ``database_url`` is of libpq's form."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [
                *(python, "-m", "mlflow", "server", "--workers", "1", "--port", str(port)),
                *("--backend-store-uri", database_url, "--artifacts-destination", folder),
            ],
            env={**os.environ, **ONE_SERVER},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/health", seconds=180)  # it makes its tables first
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)
