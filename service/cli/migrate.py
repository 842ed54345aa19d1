"""``polystore migrate``: the PostgreSQL schema."""

from typing import Annotated, Any

import typer

from mongo_indexes.exit_codes import ExitCode
from service.cli.output import (
    AsJson,
    Yes,
    console,
    error_console,
    print_progress,
    report,
    report_errors,
    status_line,
)
from service.cli.stores import open_schema
from service.settings import Settings
from service.stores.sql import downgrade, migrations

migrate_app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")


@migrate_app.command("plan")
def plan(*, as_json: AsJson = False) -> None:
    """Show what `apply` would do, and how many rows a data migration would change now.

    Example: `polystore migrate plan --json`
    """
    with report_errors(), open_schema(Settings()) as url:
        steps, lines = [], []
        for step in migrations.pending(migrations.head_of(url)):
            planned: dict[str, Any] = {"revision": step.revision, "why": step.why, "data": False}
            lines.append(f"{step.revision}  {step.why}")
            if step.batches is not None:
                rows = migrations.rows_to_change(url, step.batches)
                planned |= {"data": True, "rows": rows, "batch": step.batches.size}
                count = "too many rows to count" if rows is None else f"{rows:,} rows now"
                lines[-1] += f" ({count}, {step.batches.size:,} at a time)"
            steps.append(planned)
        report({"pending": steps}, lines or ["Nothing to do."], as_json=as_json)


@migrate_app.command("apply")
def apply(
    *,
    sql: Annotated[bool, typer.Option("--sql", help="Print the SQL instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Migrate the schema to its head. Two runs at once are safe: one works, the other waits.

    A run after an interruption continues where it stopped. Progress goes to standard error.

    Example: `polystore migrate apply --json` or `polystore migrate apply --sql > review.sql`
    """
    if sql:
        migrations.print_sql()
        return
    with report_errors(), open_schema(Settings()) as url:
        with status_line() as show_status:
            finished = migrations.apply(url, print_progress, show_status)
        head = migrations.expected_head()
        result = {"head": head, "applied": [step._asdict() for step in finished]}
        report(result, [f"The schema is at its head, {head}."], as_json=as_json)


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
def check(*, as_json: AsJson = False) -> None:
    """Compare the database with the code. Exit code 0: the same; 2: they differ.

    Example: `polystore migrate check`
    """
    with report_errors(), open_schema(Settings()) as url:
        head, expected = migrations.head_of(url), migrations.expected_head()
        behind = bool(migrations.pending(head))
        difference = "the schema is behind" if behind else migrations.differences(url)
        result = {"head": head, "expected": expected, "difference": difference}
        report(result, [difference or "The database matches the code."], as_json=as_json)
        raise typer.Exit(ExitCode.DRIFT if difference else ExitCode.CLEAN)
