"""The ``polystore`` command: its groups, assembled."""

from contextlib import suppress

import typer

from service.cli.admin import admin, token
from service.cli.demo import demo
from service.cli.doctor import doctor
from service.cli.experiments import experiments_app
from service.cli.halves import halves_app
from service.cli.indexes import indexes_app
from service.cli.load import load
from service.cli.load_mlflow import load_mlflow
from service.cli.migrate import migrate_app
from service.cli.output import print_progress
from service.cli.retention import retention_app
from service.cli.serve import serve
from service.settings import BadVariable, unknown_variables

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Polystore: rows in PostgreSQL, documents and prediction logs in MongoDB.",
)


@app.callback()
def warn_of_unknown_variables() -> None:
    """Print a line for each variable that looks like a setting and is none."""
    with suppress(BadVariable):  # the command reports it, and --help needs no settings
        for sentence in unknown_variables():
            print_progress(sentence)


for command in (serve, demo, load, load_mlflow, token, admin, doctor):
    app.command()(command)
app.add_typer(migrate_app, name="migrate", help="The PostgreSQL schema: plan, apply, down, check.")
app.add_typer(
    indexes_app, name="indexes", help="MongoDB's indexes and validators: plan, apply, check."
)
app.add_typer(retention_app, name="retention", help="Retention of predictions: plan, apply.")
app.add_typer(halves_app, name="halves", help="Refused messages of model servers: replay.")
app.add_typer(
    experiments_app, name="experiments", help="Experiments: list, show, export their runs."
)
