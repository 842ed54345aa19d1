"""What commands on the stores share, and ``polystore indexes``."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from mongo_indexes.__main__ import DatabaseName, Only, Prune
from mongo_indexes.apply import WAIT_SECONDS
from mongo_indexes.commands import run_apply, run_check, run_plan
from service.cli.demo import DemoFailed
from service.cli.serve import AddressInUse
from service.cli.stores import StoreName, Tell, store_at_hand
from service.settings import BadSecret, Settings
from service.stores.embedded import EmbeddedError
from service.stores.mongo.client import database_name
from service.stores.sql import migrations as migrate

indexes_app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")
CLEAN, DRIFT, FAILED = 0, 2, 5  # the same as those of `polystore indexes`
console, complaints = Console(highlight=False), Console(stderr=True, highlight=False)
AsJson = Annotated[bool, typer.Option("--json", help="Report as one JSON object.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def tell(text: str) -> None:
    """A line about progress, beside what scripts read."""
    complaints.print(f"  {text}", markup=False, soft_wrap=True)


@contextmanager
def shown() -> Iterator[Tell | None]:
    """The line of the moment, on a terminal that can take it back; a log gets whole lines."""
    if not complaints.is_terminal or complaints.is_dumb_terminal:
        yield None
        return
    with complaints.status("waiting for the database") as status:
        yield lambda line: status.update(Text(line))


@contextmanager
def explained() -> Iterator[None]:
    """What people can mend is one line for them, not a traceback."""
    try:
        yield
    except ValidationError as error:
        for each in error.errors():
            name = str(each["loc"][0]) if each["loc"] else "secret"
            name = name if name.isupper() else f"POLYSTORE_{name.upper()}"
            complaints.print(f"{name}: {each['msg']}", style="red", markup=False)
        raise typer.Exit(FAILED) from error
    except (
        EmbeddedError,
        AddressInUse,
        DemoFailed,
        BadSecret,
        migrate.MigrationFailed,
    ) as error:
        complaints.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(FAILED) from error


@contextmanager
def store(name: StoreName) -> Iterator[str]:
    with explained(), store_at_hand(Settings(), name, tell) as url:
        yield url


def report(found: dict[str, Any], lines: list[str], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found))
        return
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


@indexes_app.command("plan")
def indexes_plan(
    database: DatabaseName = None,
    only: Only = None,
    *,
    prune: Prune = False,
    as_json: AsJson = False,
) -> None:
    """Show what `apply` would do, how risky it is and why.

    Example: `polystore indexes plan --only items`
    """
    with store("mongodb_url") as url:
        name = database or database_name(url, Settings())
        code = run_plan(url, database=name, only=only or (), prune=prune, as_json=as_json)
        raise typer.Exit(code)


@indexes_app.command("apply")
def indexes_apply(
    database: DatabaseName = None,
    only: Only = None,
    *,
    prune: Prune = False,
    as_json: AsJson = False,
    yes: Yes = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait for another runner.")] = WAIT_SECONDS,
) -> None:
    """Do what `plan` shows, one runner at a time. Run it again if it was interrupted.

    Example: `polystore indexes apply --yes`
    """
    with store("mongodb_url") as url:
        code = run_apply(
            url,
            database=database or database_name(url, Settings()),
            only=only or (),
            prune=prune,
            as_json=as_json,
            yes=yes,
            wait=wait,
        )
        raise typer.Exit(code)


@indexes_app.command("check")
def indexes_check(
    database: DatabaseName = None, only: Only = None, *, as_json: AsJson = False
) -> None:
    """End with 0 if everything is as declared, with 2 if not.

    Example: `polystore indexes check --json`
    """
    with store("mongodb_url") as url:
        name = database or database_name(url, Settings())
        raise typer.Exit(run_check(url, database=name, only=only or (), as_json=as_json))
