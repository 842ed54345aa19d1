"""The commands ``list``, ``show`` and ``export``."""

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import typer
from rich.progress import DownloadColumn, Progress, SpinnerColumn, TextColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from service.cli.experiments.client import ExperimentClient
from service.cli.output import AsJson, CommandFailed, console, error_console, report, report_errors

Format = Literal["csv", "parquet"]
MAX_METRICS = 5  # columns of a table
Url = Annotated[str | None, typer.Option(help="The service to ask.", show_default=False)]
Named = Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Its name or id.")]
experiments_app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")


class BadFile(CommandFailed):
    """The file exists, or its name has no format."""


@experiments_app.command("list")
def list_experiments(
    *,
    deleted: Annotated[bool, typer.Option(help="Deleted experiments instead.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """List the experiments that you may see, the newest first.

    Example: `polystore experiments list --json`
    """
    with report_errors(), ExperimentClient.connect(url) as client:
        pages = client.pages("/v1/experiments", deleted=str(deleted).lower())
        found = [experiment for page in pages for experiment in page]
        if as_json:
            report({"items": found}, [], as_json=True)
            return
        table = _table("name", "id", "created", "tags")
        for one in found:
            cells = one["name"], one["id"], one["created_at"], _pairs(one["tags"])
            table.add_row(*map(Text, cells))
        console.print(table)


@experiments_app.command("show")
def show(
    experiment: Named,
    *,
    runs: Annotated[int, typer.Option(min=0, max=200, help="Show this many runs.")] = 10,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show an experiment and its newest runs, with the latest value of some metrics.

    Example: `polystore experiments show churn --runs 20`
    """
    with report_errors(), ExperimentClient.connect(url) as client:
        found = client.find(experiment)
        newest: list[dict[str, Any]] = []
        if runs:
            query = {"experiment_id": found["id"], "limit": runs}
            newest = next(client.pages("/v1/runs", **query))
        if as_json:
            report({"experiment": found, "runs": newest}, [], as_json=True)
            return
        for line in _described(found):
            console.print(line, markup=False, soft_wrap=True)
        if newest:
            console.print(_runs(newest, found["goals"]))


@experiments_app.command("export")
def export(
    experiment: Named,
    file: Annotated[Path, typer.Argument(help="To write: .csv or .parquet.")],
    *,
    format_: Annotated[
        Format | None, typer.Option("--format", help="Else the ending of the file.")
    ] = None,
    filter_: Annotated[
        str | None,
        typer.Option("--filter", help="Which runs, such as `metrics.loss < 0.5`."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Write the runs of an experiment to a file, one a row, with a column for each key.

    Example: `polystore experiments export churn runs.parquet --filter "status = 'FINISHED'"`
    """
    with report_errors():
        kind = format_ or file.suffix.removeprefix(".").lower()
        if kind not in get_args(Format):
            raise BadFile(f"{file.name} has no known ending. Use --format csv or --format parquet.")
        if file.exists() and not force:
            raise BadFile(f"{file} exists. Use --force to replace it.")
        with ExperimentClient.connect(url) as client, _progress() as progress:
            found = client.find(experiment)
            task = progress.add_task(file.name, total=None)
            size = client.download(
                f"/v1/experiments/{found['id']}/runs/export",
                file,
                {"format": kind, **({"filter": filter_} if filter_ else {})},
                lambda so_far: progress.update(task, completed=so_far),
            )
        result = {"experiment": found["id"], "file": str(file), "format": kind, "bytes": size}
        report(result, [f"{file}: {size:,} bytes of {found['name']}"], as_json=as_json)


def _progress() -> Progress:
    """Return a line of progress on standard error; none where that is no terminal."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=error_console,
        transient=True,
        disable=not error_console.is_terminal,
    )


def _described(found: dict[str, Any]) -> list[str]:
    goals = ", ".join(f"{goal} {key}" for key, goal in found["goals"].items())
    lines = {
        "name": found["name"],
        "id": found["id"],
        "project": found["project_id"],
        "created": found["created_at"],
        "deleted": found["deleted_at"],
        "artifacts": found["artifact_location"],
        "goals": goals,
        "tags": _pairs(found["tags"]),
    }
    return [f"{name:<10} {value}" for name, value in lines.items() if value]


def _runs(runs: list[dict[str, Any]], goals: dict[str, str]) -> Table:
    """Return a table of runs; metrics with a goal come first, then those that come first."""
    logged = {key: None for run in runs for key in run["metrics"]}
    keys = sorted(logged, key=lambda key: key not in goals)[:MAX_METRICS]
    table = _table("run", "id", "status", "started", *keys)
    for run in runs:
        values = [_value(run["metrics"].get(key)) for key in keys]
        cells = [run["name"], run["id"], run["status"], run["started_at"], *values]
        table.add_row(*map(Text, cells))
    return table


def _value(metric: dict[str, Any] | None) -> str:
    if metric is None:
        return ""
    value = metric["value"]
    return value if isinstance(value, str) else f"{value:.6g}"


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(Text(name), overflow="fold")
    return table


def _pairs(texts: dict[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in texts.items())
