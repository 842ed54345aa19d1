"""``polystore migrate``: the PostgreSQL schema."""

from typing import Annotated, Any

import typer

from mongo_indexes.exit_codes import ExitCode
from service.cli.output import (
    AsJson,
    CommandFailed,
    Yes,
    console,
    error_console,
    print_progress,
    report,
    report_errors,
    status_line,
)
from service.cli.schema_report import as_dict, as_lines
from service.cli.stores import open_schema
from service.settings import Settings
from service.stores.sql import downgrade, migrations
from service.stores.sql.schema_check.check import check_schema
from sql_migrations.phases import CONTRACT

ScratchUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="PostgreSQL of the same major version, for the temporary database of the comparison.",
    ),
]
_CHECK_CODES = {"same": ExitCode.CLEAN, "ahead": ExitCode.AHEAD}
migrate_app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")


@migrate_app.command("plan")
def plan(*, as_json: AsJson = False) -> None:
    """Show what `apply` would do, and how many rows a data migration would change now.

    Exit code 6: a newer release has migrated the schema, so this one has nothing to do.

    Example: `polystore migrate plan --json`
    """
    with report_errors(), open_schema(Settings()) as url:
        head = migrations.head_of(url)
        steps = [_planned(url, step) for step in migrations.pending(head)]
        lines = [_line(step) for step in steps] or ["Nothing to do."]
        _report(head, {"pending": steps}, lines, as_json=as_json)


def _planned(url: str, step: migrations.PendingMigration) -> dict[str, Any]:
    planned = {"revision": step.revision, "why": step.why, "phase": step.phase, "data": False}
    if step.batches is not None:
        rows = migrations.rows_to_change(url, step.batches)
        planned |= {"data": True, "rows": rows, "batch": step.batches.size}
    return planned


def _line(step: dict[str, Any]) -> str:
    notes = []
    if step["phase"] == CONTRACT:
        notes.append("contract: refused while processes of older releases run")
    if step["data"]:
        rows = step["rows"]
        count = "too many rows to count" if rows is None else f"{rows:,} rows now"
        notes.append(f"{count}, {step['batch']:,} at a time")
    note = f" ({'; '.join(notes)})" if notes else ""
    return f"{step['revision']}  {step['why']}{note}"


def _report(head: str | None, result: dict[str, Any], lines: list[str], *, as_json: bool) -> None:
    """Print the result and exit; a schema that is ahead is one sentence and a code of its own."""
    state, code = migrations.state_of(head), ExitCode.CLEAN
    if state is migrations.SchemaState.AHEAD:
        lines, code = [migrations.AHEAD_MESSAGE.format(head=head)], ExitCode.AHEAD
    report({"status": state, "head": head, **result}, lines, as_json=as_json)
    raise typer.Exit(code)


@migrate_app.command("apply")
def apply(
    *,
    sql: Annotated[
        bool, typer.Option("--sql", help="Print the SQL of the pending steps instead.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(
            "--from", help="With --sql: the revision to start from, or `base`; asks no database."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Migrate the schema to its head. Two runs at once are safe: one works, the other waits.

    A run after an interruption continues where it stopped. Progress goes to standard error. Exit
    code 3: processes of an older release need what the next step removes, or rows break a rule that
    it introduces; 6: the schema is ahead.

    Example: `polystore migrate apply --json` or `polystore migrate apply --sql > review.sql`
    """
    if sql and since is not None:
        with report_errors():
            _print_sql_from(since)
        return
    with report_errors(), open_schema(Settings()) as url:
        if sql:
            migrations.print_sql(migrations.head_of(url))
            return
        with status_line() as show_status:
            finished = migrations.apply(url, print_progress, show_status)
        head = migrations.head_of(url)
        result = {"applied": [step._asdict() for step in finished]}
        _report(head, result, [f"The schema is at its head, {head}."], as_json=as_json)


def _print_sql_from(since: str) -> None:
    if since != "base" and not migrations.is_known(since):
        raise CommandFailed(f"This release has no revision {since}. `--from base` prints all.")
    migrations.print_sql(None if since == "base" else since)


@migrate_app.command("down")
def down(*, yes: Yes = False) -> None:
    """Revert the last migration and delete the data in what it created; list both first.

    Example: `polystore migrate down --yes`
    """
    with report_errors(), open_schema(Settings()) as url:
        step = downgrade.plan_down(url)
        if step is None:
            console.print("There is nothing to revert.")
            return
        for line in _effects(step):
            error_console.print(line, markup=False, soft_wrap=True)
        if not yes:
            typer.confirm("Continue?", abort=True)
        with status_line() as show_status:
            downgrade.down(url, print_progress, show_status, expected=step.revision)


def _effects(step: downgrade.Downgrade) -> list[str]:
    lines = [f"This reverts {step.revision}: {step.why}", *(f"  {sql}" for sql in step.sql)]
    if step.note:
        lines.append(f"  {step.note}")
    for table, rows in step.rows.items():
        count = f"more than {rows - 1:,}" if rows == downgrade.MAX_COUNTED else f"{rows:,}"
        lines.append(f"  Rows deleted with {table}: {count}.")
    return lines


@migrate_app.command("check")
def check(*, scratch_url: ScratchUrl = None, as_json: AsJson = False) -> None:
    """Compare the database with what its migrations make. Exit code 0: the same; 2: they differ.

    The migrations are applied to a temporary database, which needs CREATEDB. Each difference is
    followed by the statements that mend it. Objects that no migration made are only listed. Exit
    code 6: a newer release has migrated the schema.

    Example: `polystore migrate check --json`
    """
    with report_errors(), open_schema(Settings()) as url:
        result = check_schema(url, scratch_url=scratch_url, log=print_progress)
        pending = len(migrations.pending(result.head))
        report(as_dict(result), as_lines(result, pending), as_json=as_json)
        raise typer.Exit(_CHECK_CODES.get(result.status, ExitCode.DRIFT))
