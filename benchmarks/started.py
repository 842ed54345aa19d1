"""A service of its own for a benchmark, in a temporary folder, with limits nobody reaches."""

import json
import os
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


class Started(NamedTuple):
    """Where it is, and with what to call it."""

    url: str
    port: int
    pid: int
    key: str
    database_url: str
    mongodb_url: str
    environment: dict[str, str]


@contextmanager
def service() -> Iterator[Started]:
    """``polystore serve`` on engines of its own, ended at the end."""
    with tempfile.TemporaryDirectory() as folder:
        own = {"PORT": "0", "POLYSTORE_DATA_DIR": folder, "POLYSTORE_LOG_LEVEL": "WARNING"}
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
            kept = json.loads((Path(folder) / "credentials.json").read_text())
            running = json.loads((Path(folder) / "running.json").read_text())
            port = int(url.rpartition(":")[2].partition("/")[0])
            sql, mongo = running["database_url"], running["mongodb_url"]
            stores = {"DATABASE_URL": sql, "MONGODB_URL": mongo}
            quiet = {"POLYSTORE_LOG_LEVEL": "WARNING", "POLYSTORE_SECRET": token_urlsafe(32)}
            settings = {**stores, **NO_LIMITS, **quiet}
            yield Started(url, port, process.pid, kept["demo_key"], sql, mongo, settings)
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def beside(application: str, port: int, **environment: str) -> Iterator[None]:
    """Another application under uvicorn, for comparison."""
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
        yield
    finally:
        process.terminate()
        process.wait(30)


def wait_for(url: str) -> None:
    for _ in range(200):
        try:
            if httpx2.get(url, timeout=3).status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.05)
    raise TimeoutError(url)
