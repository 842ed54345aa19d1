"""The command: its options, the credentials of both servers, and the order of the parts."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import httpx2
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from service.cli.admin import load_credentials
from service.cli.load_mlflow.copying import Copying
from service.cli.load_mlflow.experiments import copy_experiments, make_runs
from service.cli.load_mlflow.logged_models import copy_logged_models
from service.cli.load_mlflow.outcome import Outcome
from service.cli.load_mlflow.registry import copy_registry
from service.cli.load_mlflow.runs import fill_runs
from service.cli.load_mlflow.server import TIMEOUT_SECONDS, LoadStopped, Refused, Server
from service.cli.output import AsJson, error_console, print_progress, report, report_errors
from service.settings import Settings

SOME_LEFT_OUT, INTERRUPTED = 1, 130


def _variable(name: str, text: str) -> Any:
    return typer.Option(envvar=f"MLFLOW_TRACKING_{name}", help=text, show_default=False)


def load_mlflow(
    uri: Annotated[str, typer.Argument(help="The server, such as http://127.0.0.1:5000.")],
    *,
    artifacts: Annotated[
        bool, typer.Option("--artifacts/--no-artifacts", help="Files that the server has.")
    ] = True,
    url: Annotated[
        str | None, typer.Option(help="The service to load into.", show_default=False)
    ] = None,
    token: Annotated[str, _variable("TOKEN", "Of the MLflow server.")] = "",
    username: Annotated[str, _variable("USERNAME", "Of the MLflow server.")] = "",
    password: Annotated[str, _variable("PASSWORD", "Of the MLflow server.")] = "",
    as_json: AsJson = False,
) -> None:
    """Copy experiments, runs, models and files of an MLflow server into the running service.

    Repeat it at any time: what is here stays, what is new is added. Times of creation,
    traces and permissions are not copied.

    Example: `polystore load-mlflow http://127.0.0.1:5000`
    """
    outcome, options = Outcome(), _credentials(token, username, password)
    with report_errors(), _connect(uri, **options) as source, _target(url) as target:
        try:
            with _progress() as progress:
                _load(source, target, outcome, progress, with_artifacts=artifacts)
        except KeyboardInterrupt:
            report(outcome.as_json(), outcome.as_lines(), as_json=as_json)
            print_progress("Stopped. Run the same command again; it continues.")
            raise typer.Exit(INTERRUPTED) from None
        except LoadStopped:
            report(outcome.as_json(), outcome.as_lines(), as_json=as_json)
            raise
        report(outcome.as_json(), outcome.as_lines(), as_json=as_json)
    if outcome.left_out:
        raise typer.Exit(SOME_LEFT_OUT)


def _load(
    source: Server, target: Server, outcome: Outcome, progress: Progress, *, with_artifacts: bool
) -> None:
    """Copy all parts: runs are there before their models, models before what refers to them."""
    task = progress.add_task("experiments", total=None)
    copying = Copying(source, target, outcome, with_artifacts, lambda: progress.advance(task))
    try:
        experiments = list(copy_experiments(copying))
        for experiment in experiments:
            progress.update(task, description="logged models")
            make_runs(copying, experiment)
            copy_logged_models(copying, experiment)
        progress.update(task, description="runs", total=sum(one.runs for one in experiments))
        for experiment in experiments:
            fill_runs(copying, experiment)
            experiment.settle(target)
        progress.update(task, description="registry")
        copy_registry(copying)
    except Refused as refusal:  # of a list; those of single objects were reported
        raise LoadStopped(f"A list was refused: {refusal}") from refusal


def _credentials(token: str, username: str, password: str) -> dict[str, Any]:
    """Return the options of a client with what MLflow's clients send."""
    if token:
        return {"headers": {"Authorization": f"Bearer {token}"}}
    return {"auth": (username, password)} if username else {}


@contextmanager
def _target(url: str | None) -> Iterator[Server]:
    """Connect with POLYSTORE_TOKEN or the key that ``serve`` made."""
    settings = Settings()
    token = settings.token and settings.token.get_secret_value()
    headers = {"Authorization": f"Bearer {token or load_credentials(settings).demo_key}"}
    with _connect(url or settings.address(settings.port), headers=headers) as server:
        yield server


@contextmanager
def _connect(url: str, **options: Any) -> Iterator[Server]:
    if not url.startswith(("http://", "https://")):
        raise LoadStopped(f"{url} is no address of a server, such as http://127.0.0.1:5000.")
    with httpx2.Client(base_url=url, timeout=TIMEOUT_SECONDS, trust_env=False, **options) as http:
        yield Server(http, url)


def _progress() -> Progress:
    """Return a bar on standard error; none where that is no terminal."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=error_console,
        transient=True,
        disable=not error_console.is_terminal,
    )
