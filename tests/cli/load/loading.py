"""``polystore load`` in this process, and what the service then holds."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
from typer.testing import Result

from tests.fixtures.cli import run_cli

COMMON = ("--model", "loans", "--version", "3", "--time-zone", "UTC", "--yes")


async def load(file: Path, url: str, *options: str) -> Result:
    arguments = ("load", str(file), *COMMON, "--url", url, *options)
    return await asyncio.to_thread(run_cli, *arguments, POLYSTORE_TOKEN="any")


async def load_json(file: Path, url: str, *options: str, exit_code: int = 0) -> dict[str, Any]:
    result = await load(file, url, "--json", *options)
    assert result.exit_code == exit_code, result.stderr
    # The service runs in this process, so that its log stands in the same output.
    loaded: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    assert loaded["rows"] == sum(
        loaded[name] for name in ("created", "duplicates", "conflicts", "rejected")
    )
    return loaded


async def stored(url: str) -> list[dict[str, Any]]:
    """Return the stored predictions in the order of their times."""
    async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
        response = await client.get("/v1/predictions/export", params={"labels": "true"})
    return [json.loads(line) for line in response.text.splitlines()]


def write(folder: Path, name: str, *lines: str) -> Path:
    file = folder / name
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file
