"""The command tree."""

import pkgutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from service.cli import app
from tests.fixtures.cli import run_cli, run_cli_process

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
GROUPS = {"serve", "demo", "token", "admin", "doctor", "migrate", "indexes", "retention"}


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


@pytest.mark.slow
def test_main_module_and_script_are_the_same_command() -> None:
    script = tomllib.loads(PYPROJECT.read_text())["project"]["scripts"]["polystore"]
    assert pkgutil.resolve_name(script) is app
    result = run_cli_process("--help")
    assert result.returncode == 0
    assert "Usage: polystore" in result.stdout
