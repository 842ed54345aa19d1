"""The ``polystore`` command: its groups, assembled."""

import typer

from service.cli.admin import admin, token
from service.cli.demo import demo
from service.cli.doctor import doctor
from service.cli.halves import halves_app
from service.cli.indexes import indexes_app
from service.cli.load import load
from service.cli.migrate import migrate_app
from service.cli.retention import retention_app
from service.cli.serve import serve

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Polystore: rows in PostgreSQL, documents and prediction logs in MongoDB.",
)
for command in (serve, demo, load, token, admin, doctor):
    app.command()(command)
app.add_typer(migrate_app, name="migrate", help="The PostgreSQL schema: plan, apply, down, check.")
app.add_typer(
    indexes_app, name="indexes", help="MongoDB's indexes and validators: plan, apply, check."
)
app.add_typer(retention_app, name="retention", help="Retention of predictions: plan, apply.")
app.add_typer(halves_app, name="halves", help="Refused messages of model servers: replay.")
