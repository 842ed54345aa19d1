"""The output of all commands: results for people or scripts, progress, errors as messages."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from mongo_indexes.apply import ApplyRefused
from mongo_indexes.database_name import BadMongoUrl
from mongo_indexes.exit_codes import ExitCode
from service.settings import BadSecret, BadVariable
from service.settings.database_url import BadDatabaseUrl
from service.stores.embedded import EmbeddedError
from service.stores.sql.migrations import MigrationFailed, MigrationRefused

OnProgress = Callable[[str], None]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
console, error_console = Console(highlight=False), Console(stderr=True, highlight=False)


class CommandFailed(Exception):
    """A command could not do its work; the message names the remedy."""


_EXPECTED = (
    ApplyRefused, BadDatabaseUrl, BadMongoUrl, BadSecret, BadVariable, CommandFailed,
    EmbeddedError, MigrationFailed,
)  # fmt: skip


def report(result: dict[str, Any], lines: list[str], *, as_json: bool) -> None:
    """Print the result to standard output: as one JSON object, or as lines for people."""
    if as_json:
        typer.echo(json.dumps(result))
        return
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def print_progress(line: str) -> None:
    """Print a line to standard error, so that standard output holds only the result."""
    error_console.print(f"  {line}", markup=False, soft_wrap=True)


@contextmanager
def status_line() -> Iterator[OnProgress | None]:
    """Yield a function that replaces the last line of a terminal; None if this is no terminal."""
    if not error_console.is_terminal or error_console.is_dumb_terminal:
        yield None
        return
    with error_console.status("waiting for the database") as status:
        yield lambda line: status.update(Text(line))


@contextmanager
def report_errors() -> Iterator[None]:
    """Print expected errors as one line instead of a traceback, and exit with FAILED."""
    try:
        yield
    except ValidationError as error:
        for violation in error.errors():
            setting = str(violation["loc"][0]) if violation["loc"] else "secret"
            variable = setting if setting.isupper() else f"POLYSTORE_{setting.upper()}"
            _print_error(f"{variable}: {violation['msg'].removeprefix('Value error, ')}")
        raise typer.Exit(ExitCode.FAILED) from error
    except MigrationRefused as error:
        _print_error(str(error))
        raise typer.Exit(ExitCode.REFUSED) from error
    except _EXPECTED as error:
        _print_error(str(error))
        raise typer.Exit(ExitCode.FAILED) from error


def _print_error(message: str) -> None:
    error_console.print(message, style="red", markup=False, soft_wrap=True)
