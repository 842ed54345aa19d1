"""The command line: ``polystore --help``."""

from typing import Annotated

import typer

from service.cli import demo as demonstration
from service.cli import doctor as examination
from service.cli.admin import (
    USERNAME,
    administrator_token,
    kept_credentials,
    make_administrator,
)
from service.cli.indexes import (
    CLEAN,
    DRIFT,
    AsJson,
    complaints,
    explained,
    indexes_app,
    report,
    tell,
)
from service.cli.migrate import migrate_app
from service.cli.retention import retention_app
from service.cli.serve import serve as serve_until_told
from service.cli.stores import stores_at_hand
from service.settings import Settings
from service.stores.mongo.client import database_name

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Polystore: rows in PostgreSQL, documents and prediction logs in MongoDB.",
)
app.add_typer(migrate_app, name="migrate", help="The PostgreSQL schema: plan, apply, down, check.")
app.add_typer(
    indexes_app, name="indexes", help="MongoDB's indexes and validators: plan, apply, check."
)
app.add_typer(retention_app, name="retention", help="How long predictions are kept: plan, apply.")


@app.command()
def serve() -> None:
    """Serve the API; without DATABASE_URL and MONGODB_URL, on engines of its own.

    Example: `PORT=8001 POLYSTORE_DATA_DIR=/srv/polystore polystore serve`
    """
    with explained():
        serve_until_told(Settings(), tell)


@app.command()
def demo(
    url: Annotated[str | None, typer.Option(help="The service to send to.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Send sample traffic to the running service. A second run adds nothing.

    Example: `polystore demo --url http://127.0.0.1:8000`
    """
    with explained():
        settings = Settings()
        target = url or settings.address(settings.port)
        bearer = settings.token and settings.token.get_secret_value()
        key = bearer or kept_credentials(settings).demo_key
        told = demonstration.run_demo(target, key, complaints)
        report(told, demonstration.what_next(target, told), as_json=as_json)


@app.command()
def token() -> None:
    """Print an access token of the embedded administrator, good for 12 hours, and nothing else.

    Example: `export POLYSTORE_TOKEN=$(polystore token)`
    """
    with explained():
        settings = Settings()
        kept_credentials(settings)
        with stores_at_hand(settings, tell) as urls:
            typer.echo(administrator_token(urls, settings))


@app.command()
def admin(
    email: Annotated[str, typer.Argument(help="Their email.")],
    username: Annotated[str, typer.Option(help="Their username.")] = USERNAME,
) -> None:
    """Make the first administrator, or give one a new password, which is printed.

    Example: `DATABASE_URL=… polystore admin ada@example.com --username ada`
    """
    with explained(), stores_at_hand(Settings(), tell) as urls:
        typer.echo(make_administrator(urls, Settings(), email, username))


@app.command()
def doctor(*, as_json: AsJson = False) -> None:
    """Look at both stores: reachable, schema and indexes in place, the ledger true. Exit 2 if not.

    Example: `polystore doctor --json`
    """
    with explained(), stores_at_hand(Settings(), tell) as urls:
        found = examination.examine(urls, database_name(urls.mongodb_url, Settings()))
        report(found, examination.as_lines(found), as_json=as_json)
        raise typer.Exit(CLEAN if found["ok"] else DRIFT)


if __name__ == "__main__":
    app(prog_name="polystore")
