"""What operators do to the PostgreSQL schema: ``polystore migrate``."""

from typing import Annotated, Any

import typer

from service.cli.indexes import (
    CLEAN,
    DRIFT,
    AsJson,
    Yes,
    complaints,
    console,
    explained,
    report,
    shown,
    store,
    tell,
)
from service.stores.sql import migrations as migrate

migrate_app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")


@migrate_app.command("plan")
def migrate_plan(*, as_json: AsJson = False) -> None:
    """Show what `apply` would do, and how many rows a data migration would change as of now.

    Example: `polystore migrate plan --json`
    """
    with store("database_url") as url:
        told, lines = [], []
        for step in migrate.pending(migrate.head_of(url)):
            planned: dict[str, Any] = {"revision": step.revision, "why": step.why, "data": False}
            lines.append(f"{step.revision}  {step.why}")
            if step.batches is not None:
                rows = migrate.rows_to_change(url, step.batches)
                planned |= {"data": True, "rows": rows, "batch": step.batches.size}
                many = "too many rows to count soon" if rows is None else f"{rows:,} rows as of now"
                lines[-1] += f" ({many}, {step.batches.size:,} at a time)"
            told.append(planned)
        report({"pending": told}, lines or ["Nothing to do."], as_json=as_json)


@migrate_app.command("apply")
def migrate_apply(
    *,
    sql: Annotated[bool, typer.Option("--sql", help="Print the SQL instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the schema to its head. Two at once are safe: one works, the other finds it done.

    Interrupted, it goes on where it stood. It tells how it gets on beside its output.

    Example: `polystore migrate apply --json` or `polystore migrate apply --sql > review.sql`
    """
    if sql:
        migrate.print_sql()
        return
    with explained(), store("database_url") as url:
        with shown() as show:
            done = migrate.apply(url, tell, show)
        head = migrate.expected_head()
        told = {"head": head, "applied": [step._asdict() for step in done]}
        report(told, [f"The schema is at its head, {head}."], as_json=as_json)


@migrate_app.command("down")
def migrate_down(*, yes: Yes = False) -> None:
    """Take the last migration back, and the data in what it made with it; first say what that is.

    Example: `polystore migrate down --yes`
    """
    with store("database_url") as url:
        step = migrate.plan_down(url)
        if step is None:
            console.print("There is nothing to take back.")
            return
        for line in _what_goes(step):
            complaints.print(line, markup=False, soft_wrap=True)
        if not yes:
            typer.confirm("Go on?", abort=True)
        with shown() as show:
            migrate.down(url, tell, show, expected=step.revision)


def _what_goes(step: migrate.Downgrade) -> list[str]:
    lines = [f"This takes back {step.revision}: {step.why}", *(f"  {each}" for each in step.sql)]
    if step.note:
        lines.append(f"  {step.note}")
    for table, rows in step.rows.items():
        many = f"more than {rows - 1:,}" if rows == migrate.MAX_COUNTED else f"{rows:,}"
        lines.append(f"  With {table} go its rows: {many}.")
    return lines


@migrate_app.command("check")
def migrate_check(*, as_json: AsJson = False) -> None:
    """Compare the database with the code. Exit code 0: the same; 2: they differ.

    Example: `polystore migrate check`
    """
    with store("database_url") as url:
        head, expected = migrate.head_of(url), migrate.expected_head()
        behind = bool(migrate.pending(head))
        found = "the schema is behind" if behind else migrate.differences(url)
        told = {"head": head, "expected": expected, "difference": found}
        report(told, [found or "The database is as the code says."], as_json=as_json)
        raise typer.Exit(DRIFT if found else CLEAN)
