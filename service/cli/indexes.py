"""``polystore indexes``: MongoDB's indexes and validators, managed by ``mongo_indexes``."""

from typing import Annotated

import typer

from mongo_indexes.__main__ import DatabaseName, Only, Prune
from mongo_indexes.apply import WAIT_SECONDS
from mongo_indexes.commands import run_apply, run_check, run_plan
from service.cli.output import AsJson, Yes, report_errors
from service.cli.stores import open_store
from service.settings import Settings

indexes_app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")


@indexes_app.command("plan")
def plan(
    database: DatabaseName = None,
    only: Only = None,
    *,
    prune: Prune = False,
    as_json: AsJson = False,
) -> None:
    """Show what `apply` would do, with the risk and the reason of each step.

    Example: `polystore indexes plan --only items`
    """
    with report_errors(), open_store(Settings(), "mongodb_url") as url:
        name = _explicit(database)
        code = run_plan(url, database=name, only=only or (), prune=prune, as_json=as_json)
        raise typer.Exit(code)


@indexes_app.command("apply")
def apply(
    database: DatabaseName = None,
    only: Only = None,
    *,
    prune: Prune = False,
    as_json: AsJson = False,
    yes: Yes = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait for another runner.")] = WAIT_SECONDS,
) -> None:
    """Do what `plan` shows, one runner at a time. Run it again after an interruption.

    Example: `polystore indexes apply --yes`
    """
    with report_errors(), open_store(Settings(), "mongodb_url") as url:
        code = run_apply(
            url,
            database=_explicit(database),
            only=only or (),
            prune=prune,
            as_json=as_json,
            yes=yes,
            wait=wait,
        )
        raise typer.Exit(code)


@indexes_app.command("check")
def check(database: DatabaseName = None, only: Only = None, *, as_json: AsJson = False) -> None:
    """Compare the indexes with their declarations. Exit code 0: the same; 2: they differ.

    Example: `polystore indexes check --json`
    """
    with report_errors(), open_store(Settings(), "mongodb_url") as url:
        name = _explicit(database)
        raise typer.Exit(run_check(url, database=name, only=only or (), as_json=as_json))


def _explicit(database: str | None) -> str | None:
    """Return the option, else the setting; `mongo_indexes` looks further if there is neither."""
    return Settings().mongodb_database if database is None else database
