"""``polystore experiments`` against the service on a socket."""

import asyncio
import csv
import json
from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import pytest
from typer.testing import Result

from service.main import State
from tests.documents.predictions.live_server import serving
from tests.fixtures.cli import run_cli


@pytest.fixture
async def url(state: State, reset_stores: None) -> AsyncIterator[str]:
    """The address of a service with 251 experiments, one of which has two runs."""
    async with serving(state) as port:
        address = f"http://127.0.0.1:{port}"
        async with httpx2.AsyncClient(base_url=address, timeout=30) as client:
            await _fill(client)
        yield address


async def _fill(client: httpx2.AsyncClient) -> None:
    body = {"name": "churn [red]", "goals": {"loss": "minimize"}, "tags": {"team": "A"}}
    made = (await client.post("/v1/experiments", json=body)).json()
    for place, loss in enumerate([0.5, "NaN"]):
        run = {"experiment_id": made["id"], "name": f"run {place}"}
        key = (await client.post("/v1/runs", json=run)).json()["id"]
        point = {"value": loss, "step": 1, "timestamp_ms": 7}
        logged = {"metrics": [{"key": "loss", **point}], "params": {"C": "1"}}
        answered = await client.post(f"/v1/runs/{key}/log", json=logged)
        assert answered.status_code == 200, answered.text
    for place in range(249):
        assert (await client.post("/v1/experiments", json={"name": f"e{place}"})).is_success


async def _run(url: str, *arguments: str) -> Result:
    command = "experiments", *arguments, "--url", url
    return await asyncio.to_thread(run_cli, *command, POLYSTORE_TOKEN="any", COLUMNS="200")


async def _json(url: str, *arguments: str) -> Any:
    result = await _run(url, *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    # The service runs in this process, so that its log stands in the same output.
    lines = [line for line in result.stdout.splitlines() if '"event": "request"' not in line]
    return json.loads(lines[-1])


def _names(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


async def test_experiments_are_listed_and_shown(url: str) -> None:
    names = [one["name"] for one in (await _json(url, "list"))["items"]]
    assert len(names) == 251  # with Default, on two pages
    assert "churn [red]" in (await _run(url, "list")).stdout

    shown = await _json(url, "show", "churn [red]", "--runs", "1")
    assert [run["name"] for run in shown["runs"]] == ["run 1"]
    key = shown["experiment"]["id"]
    by_id = (await _run(url, "show", key.replace("-", ""))).stdout
    assert "minimize loss" in by_id
    assert "NaN" in by_id
    assert (await _json(url, "show", "0"))["experiment"]["name"] == "Default"

    unknown = await _run(url, "show", "nothing")
    assert "no experiment nothing" in unknown.stderr


async def test_runs_are_exported_whole_or_not_at_all(url: str, tmp_path: Path) -> None:
    file = tmp_path / "runs.csv"
    exported = await _json(url, "export", "churn [red]", str(file), "--filter", "metrics.loss < 1")
    assert exported["bytes"] == file.stat().st_size
    with file.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [(row["name"], row["metrics.loss"]) for row in rows] == [("run 0", "0.5")]
    assert _names(tmp_path) == [file.name]
    beside = tmp_path / "runs.csv.part"
    beside.write_text("mine")
    assert (await _run(url, "export", "churn [red]", str(file), "--force")).exit_code == 0
    assert beside.read_text() == "mine"
    beside.unlink()

    refused = await _run(url, "export", "churn [red]", str(file))
    assert (refused.exit_code, "--force" in refused.stderr) == (5, True)
    wrong = await _run(url, "export", "churn [red]", str(file), "--force", "--filter", "loss <")
    assert wrong.exit_code == 5
    assert "Filter is not valid" in wrong.stderr
    assert _names(tmp_path) == [file.name]  # as it was


def test_list_without_service_names_the_command_to_start_it() -> None:
    result = run_cli(
        "experiments", "list", "--url", "http://127.0.0.1:9", POLYSTORE_TOKEN="pk_none"
    )
    assert result.exit_code == 5
    assert "make serve" in result.stderr


def test_export_to_a_file_of_no_format_is_refused() -> None:
    result = run_cli("experiments", "export", "churn", "runs.xlsx", POLYSTORE_TOKEN="pk_none")
    assert result.exit_code == 5
    assert "--format" in result.stderr


@pytest.mark.parametrize(
    "url", ["127.0.0.1:9", "ftp://127.0.0.1", "http://a..b\u00e9", "http://\x7f"]
)
def test_list_at_no_address_is_refused(url: str) -> None:
    result = run_cli("experiments", "list", "--url", url, POLYSTORE_TOKEN="pk_none")
    assert (result.exit_code, "--url http://" in result.stderr) == (5, True)


@pytest.mark.parametrize(
    ("body", "coding"),
    [("<html>", "identity"), ("[]", "identity"), ('{"a": 1}', "identity"), ("{}", "gzip")],
)
def test_show_of_another_service_is_refused(body: str, coding: str) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Encoding", coding)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_args: Any) -> None:
            """Write nothing to standard error."""

    with HTTPServer(("127.0.0.1", 0), Other) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        result = run_cli("experiments", "show", "churn", "--url", url, POLYSTORE_TOKEN="pk_none")
        thread.join()
    assert (result.exit_code, "Check --url" in result.stderr) == (5, True), result.stderr
