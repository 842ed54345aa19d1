"""README and docs/ are true: what they name exists, and their shell blocks run as written."""

import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fastapi import FastAPI

from service.settings import Settings
from tests.fixtures.cli import run_cli
from tests.fixtures.service import running_service

ROOT = Path(__file__).parents[2]
README, DOCS = ROOT / "README.md", ROOT / "docs"
PAGES = [README, *sorted(DOCS.glob("*.md"))]
SESSION = ("http", "experiments", "mlflow", "model_registry", "predictions", "operations")
RUN = [README, *(DOCS / f"{name}.md" for name in SESSION)]
UNPREFIXED = {
    "database_url", "reporting_database_url", "migration_database_url", "mongodb_url",
    "host", "port",
}  # fmt: skip
# Each request's status line goes into a file of its own, in the order of the requests. The commands
# of polystore run in the test: a process each would import for seconds.
PRELUDE = """
set -eu -o pipefail
trap 'echo > "$PIPES/command"' EXIT
polystore() {
  local code
  echo "$*" > "$PIPES/command"
  { read -r code; cat; } < "$PIPES/result"
  return "$code"
}
number=100
curl() { number=$((number + 1)); command curl -D "$HEADERS/$BASHPID-$number" "$@"; }
"""


def settings_table() -> str:
    """Return the rows of the settings table, as the settings describe themselves."""
    rows = []
    for name, field in Settings.model_fields.items():
        variable = name.upper() if name in UNPREFIXED else f"POLYSTORE_{name.upper()}"
        default = "" if field.default is None else f"`{field.default}`"
        rows.append(f"| `{variable}` | {default} | {field.description} |")
    return "\n".join(rows)


def shell_blocks(page: Path) -> list[str]:
    """Return the fenced ``sh`` blocks of a page; ``text`` blocks are not run."""
    return re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@contextmanager
def commands_in_this_process(pipes: Path, data_dir: str) -> Iterator[None]:
    """Run what the ``polystore`` of the prelude asks for, until the shell ends."""
    for name in ("command", "result"):
        os.mkfifo(pipes / name)

    def run_commands() -> None:
        while arguments := shlex.split((pipes / "command").read_text()):
            result = run_cli(*arguments, POLYSTORE_DATA_DIR=data_dir)
            sys.stderr.write(result.stderr)
            (pipes / "result").write_text(f"{result.exit_code}\n{result.stdout}")

    thread = threading.Thread(target=run_commands, daemon=True)
    thread.start()
    yield
    thread.join(10)
    assert not thread.is_alive()


def test_settings_table_equals_the_settings() -> None:
    assert settings_table() in (DOCS / "operations.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_names_only_what_exists(page: Path, app: FastAPI) -> None:
    text = page.read_text()
    paths = {re.sub(r"\{\w+\}", "*", path) for path in app.openapi()["paths"]}
    routes = re.findall(r"(?:POST|GET|PUT|PATCH|DELETE) (/v1/[\w/{}]+)", text)
    assert {re.sub(r"\{\w+\}", "*", path) for path in routes} <= paths
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)`", text)) <= targets
    files = re.findall(r"`((?:service|mongo_indexes|sql_migrations|tests|\.ci)/[\w/.-]+)`", text)
    assert [name for name in files if not (ROOT / name).exists()] == []
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_shell_blocks_run_as_written(tmp_path: Path) -> None:
    """The pages are one session, from the README on; errors are those that the text announces."""
    headers, pipes, data_dir = tmp_path / "headers", tmp_path / "pipes", str(tmp_path / "data")
    headers.mkdir()
    pipes.mkdir()
    blocks = [block for page in RUN for block in shell_blocks(page) if "make serve" not in block]
    with running_service(tmp_path) as service, commands_in_this_process(pipes, data_dir):
        script = "\n".join([PRELUDE, *blocks])
        script = script.replace("http://127.0.0.1:8000/v1", f"{service.url}/v1")
        script = script.replace(".venv/bin/polystore", "polystore")
        environment = {"HEADERS": str(headers), "PIPES": str(pipes)}
        result = subprocess.run(
            ["bash", "-c", script],
            env={**os.environ, **environment},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert result.returncode == 0, result.stderr[-2000:]
    statuses = [int(file.read_text().split()[1]) for file in headers.iterdir()]
    assert len(statuses) == sum(len(re.findall(r"\bcurl -", block)) for block in blocks)
    unexpected = {status for status in statuses if status >= 400} - {403, 409}
    assert unexpected == set(), result.stdout[-2000:]
    announced = sum(len(re.findall(r"# 40[39]|\"status\":409", block)) for block in blocks)
    assert sum(status >= 400 for status in statuses) == announced
