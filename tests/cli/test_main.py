"""The command tree."""

import pkgutil
import runpy
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from service.cli import app
from tests.fixtures.cli import run_cli

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
GROUPS = {
    "serve", "demo", "load", "load-mlflow", "token", "admin", "doctor", "migrate", "indexes",
    "retention", "halves", "experiments",
}  # fmt: skip


def leaf_commands(command: Any, *path: str) -> Iterator[tuple[str, ...]]:
    if not isinstance(command, TyperGroup):
        yield path
        return
    for name, subcommand in command.commands.items():
        yield from leaf_commands(subcommand, *path, name)


COMMANDS = list(leaf_commands(get_command(app)))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_main_help_of_every_command_has_an_example(command: tuple[str, ...]) -> None:
    result = run_cli(*command, "--help")
    assert result.exit_code == 0
    _, _, example = result.stdout.partition("Example: ")
    assert f"polystore {' '.join(command)}" in " ".join(example.split())


def test_main_has_all_command_groups() -> None:
    assert {path[0] for path in COMMANDS} == GROUPS


def test_main_script_is_the_app() -> None:
    script = tomllib.loads(PYPROJECT.read_text())["project"]["scripts"]["polystore"]
    assert pkgutil.resolve_name(script) is app


def test_main_module_runs_the_app_as_polystore(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["service.cli", "--help"])
    with pytest.raises(SystemExit) as exit_:
        runpy.run_module("service.cli", run_name="__main__")
    assert exit_.value.code == 0
    assert "Usage: polystore" in capsys.readouterr().out
