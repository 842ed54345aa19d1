"""A service in a temporary folder with rate limits that no benchmark reaches."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_urlsafe
from typing import NamedTuple

import httpx2

ROOT = Path(__file__).parent.parent
NO_LIMITS = {
    f"POLYSTORE_RATE_{name}": "1000000000/minute"
    for name in ("CALLER", "ADDRESS", "LOGIN", "GUESS")
}


class RunningService(NamedTuple):
    """The addresses of a running service, an API key, and the settings to start another."""

    url: str
    port: int
    pid: int
    key: str
    database_url: str
    mongodb_url: str
    environment: dict[str, str]
    password: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    @property
    def administrator(self) -> dict[str, str]:
        """Log the administrator in and return the headers."""
        form = {"grant_type": "password", "username": "admin", "password": self.password}
        answer = httpx2.post(f"{self.url}/auth/token", data=form, timeout=60).raise_for_status()
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def client(self) -> httpx2.Client:
        """Return a client for requests that are not measured."""
        return httpx2.Client(base_url=self.url, headers=self.headers, timeout=60)


@contextmanager
def running_service() -> Iterator[RunningService]:
    """Run ``polystore serve`` with its own engines; end it afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        own = {
            "PORT": "0",
            "POLYSTORE_ENV_FILE": "",
            "POLYSTORE_DATA_DIR": folder,
            "POLYSTORE_LOG_LEVEL": "WARNING",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "serve"],
            cwd=ROOT,
            env={**os.environ, **own, **NO_LIMITS},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        try:
            url = next(line.split()[1] for line in process.stderr if line.strip().startswith("API"))
            wait_for(f"{url.removesuffix('/v1')}/readyz")
            credentials = json.loads((Path(folder) / "credentials.json").read_text())
            running = json.loads((Path(folder) / "running.json").read_text())
            port = int(url.rpartition(":")[2].partition("/")[0])
            sql, mongo = running["database_url"], running["mongodb_url"]
            stores = {"DATABASE_URL": sql, "MONGODB_URL": mongo}
            quiet = {"POLYSTORE_LOG_LEVEL": "WARNING", "POLYSTORE_SECRET": token_urlsafe(32)}
            settings = {**stores, **NO_LIMITS, **quiet}
            key = credentials["demo_key"]
            password = credentials["password"]
            yield RunningService(url, port, process.pid, key, sql, mongo, settings, password)
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def running_application(application: str, **environment: str) -> Iterator[int]:
    """Run another application under uvicorn, for comparison; yield its port."""
    port = free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "uvicorn", application, "--port", str(port)),
            *("--log-level", "warning", "--no-access-log"),
        ],
        cwd=ROOT,
        env={**os.environ, **environment},
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/openapi.json")
        yield port
    finally:
        process.terminate()
        process.wait(30)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def wait_for(url: str, seconds: float = 10) -> None:
    """Wait until the URL answers 200. Raises TimeoutError after about so long of refusals."""
    for _ in range(round(seconds * 20)):
        try:
            if httpx2.get(url, timeout=3).status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.05)
    raise TimeoutError(url)
