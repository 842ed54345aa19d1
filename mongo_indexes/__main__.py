"""`python -m mongo_indexes plan | apply | check`: the options; `commands.py` does the work."""

from typing import Annotated

import typer

from mongo_indexes.apply import WAIT_SECONDS
from mongo_indexes.commands import run_apply, run_check, run_plan
from mongo_indexes.database_name import VARIABLE

app = typer.Typer(
    name="indexes",
    help="Plan, apply and check MongoDB's declared indexes and validators.\n\n"
    "Exit codes: 0 clean, 2 drift, 3 refused, 4 locked by another runner, 5 failed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)

# show_default would print MONGODB_URL, and with it the password.
Url = Annotated[
    str | None,
    typer.Option(envvar="MONGODB_URL", show_default=False, help="mongodb://host/database"),
]
DatabaseName = Annotated[
    str | None,
    typer.Option("--database", envvar=VARIABLE, help="Unset: the URL's, else polystore."),
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="COLLECTION", help="Limit to this collection; may be repeated."),
]
Prune = Annotated[
    bool,
    typer.Option("--prune", help="Hide undeclared indexes, and drop those hidden before."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]


@app.command()
def plan(
    url: Url = None,
    database: DatabaseName = None,
    only: Only = None,
    prune: Prune = False,
    as_json: AsJson = False,
) -> None:
    """Show each step that apply would take, its risk and its reason.

    Example: python -m mongo_indexes plan --url mongodb://localhost/polystore --only items
    """
    code = run_plan(url, database=database, only=only or (), prune=prune, as_json=as_json)
    raise typer.Exit(code)


@app.command()
def apply(
    url: Url = None,
    database: DatabaseName = None,
    only: Only = None,
    prune: Prune = False,
    as_json: AsJson = False,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Apply without asking.")] = False,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for another runner to finish.")
    ] = WAIT_SECONDS,
) -> None:
    """Execute the plan, one runner at a time. Run it again if it was interrupted.

    Example: python -m mongo_indexes apply --yes --url mongodb://localhost/polystore
    """
    code = run_apply(
        url,
        database=database,
        only=only or (),
        prune=prune,
        as_json=as_json,
        yes=yes,
        wait=wait,
    )
    raise typer.Exit(code)


@app.command()
def check(
    url: Url = None,
    database: DatabaseName = None,
    only: Only = None,
    as_json: AsJson = False,
) -> None:
    """Exit with 0 if everything is as declared, with 2 if not.

    Example: python -m mongo_indexes check --json --url mongodb://localhost/polystore
    """
    raise typer.Exit(run_check(url, database=database, only=only or (), as_json=as_json))


if __name__ == "__main__":
    app(prog_name="python -m mongo_indexes")
