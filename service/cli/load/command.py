"""The command: its options, the plan that it shows, and the loop over the file."""

import io
import sys
from datetime import tzinfo
from itertools import chain
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import httpx2
import typer

from mongo_indexes.exit_codes import ExitCode
from service.cli.admin import load_credentials
from service.cli.load import mapping
from service.cli.load.events import EventWriter
from service.cli.load.loop import send_rows
from service.cli.load.outcome import Outcome
from service.cli.load.rows import Format, open_source
from service.cli.load.sender import LoadStopped, Sender
from service.cli.load.times import Times, Unit, parse
from service.cli.output import (
    AsJson,
    CommandFailed,
    Yes,
    error_console,
    print_progress,
    report,
    report_errors,
)
from service.settings import Settings

SOME_REJECTED, INTERRUPTED = 1, 130
TIMEOUT_SECONDS = 30.0
MAX_SOURCE = 200  # characters of a label's source


class BadOption(CommandFailed):
    """An option has a value that means nothing."""


Column = Annotated[str | None, typer.Option(metavar="COLUMN", show_default=False)]


def _column(text: str) -> Any:
    return typer.Option(metavar="COLUMN", help=text, show_default=False)


def load(
    file: Annotated[Path, typer.Argument(help="CSV, NDJSON (also .gz, .zst) or Parquet.")],
    model: Annotated[str, typer.Option(help="The model of all rows.")],
    version: Annotated[str, typer.Option(help="Its version.")],
    id_: Annotated[
        str | None,
        typer.Option("--id", metavar="COLUMN", help="prediction_id, else made of the row."),
    ] = None,
    timestamp: Annotated[str | None, _column("Time of the prediction.")] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Time of all rows instead.")
    ] = None,
    prediction: Annotated[
        str | None, _column("output.value if it has fractions, else output.label.")
    ] = None,
    value: Annotated[str | None, _column("output.value.")] = None,
    score: Annotated[str | None, _column("output.score.")] = None,
    scores: Annotated[
        str, typer.Option(metavar="COLUMNS", help="output.scores by class, such as a,b,c.")
    ] = "",
    label: Annotated[str | None, _column("True label.")] = None,
    observed_at: Annotated[
        str | None, _column("Time of the label, else that of the prediction.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Source of the labels, else the file's name.")
    ] = None,
    user: Annotated[str | None, _column("user_id.")] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=COLUMN", help="Another field, such as latency_ms=ms."),
    ] = None,
    tag: Annotated[list[str] | None, _column("A tag of this name.")] = None,
    exclude: Annotated[list[str] | None, _column("Leave it out.")] = None,
    text: Annotated[list[str] | None, _column("Its CSV cells are text, not numbers.")] = None,
    time_zone: Annotated[
        str | None, typer.Option(metavar="ZONE", help="Of times without offset, such as UTC.")
    ] = None,
    time_unit: Annotated[Unit | None, typer.Option(help="Of times that are numbers.")] = None,
    format_: Annotated[
        Format | None, typer.Option("--format", help="Else by the file's name.")
    ] = None,
    delimiter: Annotated[str | None, typer.Option(help="Of CSV, else by its header.")] = None,
    encoding: Annotated[str, typer.Option(help="Of CSV.")] = "utf-8",
    from_row: Annotated[int, typer.Option(min=1, help="Send rows from this one on.")] = 1,
    rejected: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep all rejected rows there, as NDJSON.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="The service to send to.")] = None,
    *,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Log the rows of a file as predictions, with their labels; ask before.

    Columns that no option names are guessed by name, `--score ''` means that none is; all others
    are features. Run it again after an interruption: what is stored stays as it is. The credential
    is POLYSTORE_TOKEN. Exit codes: 0 all rows are stored, 1 some are rejected.

    Example: `polystore load loans.csv --model loans --version 3 --timestamp day --time-zone UTC`
    """
    with report_errors():
        columns = {
            "prediction_id": id_,
            "timestamp": mapping.NONE if at is not None and timestamp is None else timestamp,
            mapping.PREDICTION: prediction,
            mapping.VALUE: value,
            "output.score": score,
            "label": label,
            "observed_at": observed_at,
            "user_id": user,
            **dict(map(_pair, field or ())),
        }
        wanted = mapping.Wanted(
            {name: column for name, column in columns.items() if column is not None},
            [name for name in scores.split(",") if name],
            tag or (),
            exclude or (),
            text or (),
        )
        constants = {"model": model, "version": version}
        if at is not None:
            constants["timestamp"] = _check_time(at)
        times = Times(_zone(time_zone), time_unit)
        _check_encoding(encoding)
        _check_delimiter(delimiter)
        with open_source(file, format_, delimiter, encoding) as opened:
            sample = opened.take_sample()
            plan = mapping.make_plan(wanted, opened, sample)
            mapping.check_times(plan, times, sample, at=at)
            _confirm(file, mapping.describe(plan, constants), yes=yes, as_json=as_json)
            writer = EventWriter(plan, times, constants, source or file.name[:MAX_SOURCE])
            rows = (row for row in chain(sample, opened.rows) if row.number >= from_row)
            with _connect(url) as client, Outcome(rejected) as outcome:
                interrupted = send_rows(rows, opened.size, writer, Sender(client), outcome)
        _finish(outcome, as_json=as_json, interrupted=interrupted)


def _finish(outcome: Outcome, *, as_json: bool, interrupted: bool) -> None:
    """Print the table, and exit with the code of the result."""
    report(outcome.as_json(), outcome.as_lines(), as_json=as_json)
    if interrupted or outcome.failure is not None:
        again = (
            f"Stopped after row {outcome.settled:,}. Run the same command again, "
            f"or continue with --from-row {outcome.settled + 1}."
        )
        if outcome.failure is not None and not interrupted:
            raise LoadStopped(f"{outcome.failure} {again}")
        print_progress(again)
        raise typer.Exit(INTERRUPTED)
    if not outcome.is_clean:
        raise typer.Exit(SOME_REJECTED)


def _confirm(file: Path, lines: list[str], *, yes: bool, as_json: bool) -> None:
    """Show what becomes of the columns, and ask at a terminal."""
    error_console.print(f"{file.name}:", markup=False, soft_wrap=True)
    for line in lines:
        print_progress(line)
    if yes:
        return
    if as_json or not sys.stdin.isatty():
        print_progress("Nothing was sent: there is no terminal to ask at. Use --yes to send it.")
        raise typer.Exit(ExitCode.REFUSED)
    if not typer.confirm("Send it?", err=True):
        raise typer.Exit(ExitCode.REFUSED)


def _connect(url: str | None) -> httpx2.Client:
    settings = Settings()
    token = settings.token and settings.token.get_secret_value()
    headers = {
        "Authorization": f"Bearer {token or load_credentials(settings).demo_key}",
        "Content-Type": "application/x-ndjson",
    }
    return httpx2.Client(
        base_url=url or settings.address(settings.port),
        timeout=TIMEOUT_SECONDS,
        trust_env=False,
        headers=headers,
    )


def _pair(text: str) -> tuple[str, str]:
    field, equals, column = text.partition("=")
    if not equals or not field:
        raise BadOption(f"--field {text} is no FIELD=COLUMN, such as latency_ms=ms.")
    return field, column


def _check_time(text: str) -> str:
    moment = parse(text)
    if moment is None or moment.tzinfo is None:
        raise BadOption(f"--at {text} is no time with an offset, such as 2026-11-01T00:00:00Z.")
    return moment.isoformat()


def _zone(name: str | None) -> tzinfo | None:
    try:
        return name and ZoneInfo(name)  # type: ignore[return-value]
    except (OSError, ValueError, KeyError) as error:
        raise BadOption(f"--time-zone {name} is no zone, such as UTC or Europe/Berlin.") from error


def _check_encoding(name: str) -> None:
    try:
        io.TextIOWrapper(io.BytesIO(), name)
    except (LookupError, ValueError) as error:  # ValueError: a NUL in it
        raise BadOption(f"--encoding {name} is not known, as utf-8 or cp1252 are.") from error


def _check_delimiter(sign: str | None) -> None:
    if sign is not None and (len(sign) != 1 or sign in '"\r\n'):
        raise BadOption(f"--delimiter {sign} is not one character, such as ; or a real tab.")
