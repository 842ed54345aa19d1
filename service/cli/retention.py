"""What operators do to make a changed rule hold for all there is: ``polystore retention``."""

import asyncio
import time
from dataclasses import asdict

import typer
from pydantic import SecretStr

from service.cli.indexes import FAILED, AsJson, complaints, report, shown, store, tell
from service.cli.stores import Tell
from service.core.errors import ServiceError
from service.documents.predictions.apply_retention import RetentionJob, RetentionReport
from service.settings import Settings
from service.stores.mongo.client import open_mongo

retention_app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")
SECONDS_BETWEEN_SIGNS = 10.0
# A batch may take longer than a client of the service would wait.
PATIENCE = {"mongo_operation_seconds": 5.0, "mongo_deadline_seconds": 6.0}


@retention_app.callback()
def retention() -> None:
    """How long predictions are kept."""


@retention_app.command("plan")
def retention_plan(*, as_json: AsJson = False) -> None:
    """Tell what `apply` would change, and how much would be deleted then; changes nothing.

    Example: `polystore retention plan`
    """
    _run(changes=False, as_json=as_json)


@retention_app.command("apply")
def retention_apply(*, as_json: AsJson = False) -> None:
    """Make the rules hold for the predictions and labels that are there already.

    What has expired by them is deleted within minutes: see `polystore retention plan` first.
    Interrupted, or beside the traffic, it does no harm: run it again. A rule is known to all
    processes after about 5 s; run it after that.

    Example: `polystore retention apply --json`
    """
    _run(changes=True, as_json=as_json)


def _run(*, changes: bool, as_json: bool) -> None:
    with store("mongodb_url") as url:
        settings = Settings().model_copy(update={"mongodb_url": SecretStr(url), **PATIENCE})
        with shown() as show:
            try:
                applied = asyncio.run(_apply(settings, _Progress(show), changes=changes))
            except ServiceError as refusal:
                complaints.print(
                    f"{refusal.message} What is done stays; run it again.", style="red"
                )
                raise typer.Exit(FAILED) from refusal
        report(asdict(applied), [_as_line(applied)], as_json=as_json)


async def _apply(settings: Settings, progress: "_Progress", *, changes: bool) -> RetentionReport:
    async with open_mongo(settings) as mongo:
        return await RetentionJob(
            mongo, settings.retention_days, progress, dry_run=not changes
        ).run()


class _Progress:
    """The line of the moment on a terminal; in a log one every 10 s."""

    def __init__(self, show: Tell | None) -> None:
        self._show, self._said = show, time.monotonic()

    def __call__(self, applied: RetentionReport, place: str) -> None:
        line = f"at {place}: {_as_line(applied)}"
        if self._show is not None:
            self._show(line)
        elif time.monotonic() - self._said >= SECONDS_BETWEEN_SIGNS:
            self._said = time.monotonic()
            tell(line)


def _as_line(applied: RetentionReport) -> str:
    return (
        f"{applied.predictions:,} predictions of {applied.versions:,} versions looked at, "
        f"{applied.predictions_changed:,} change and {applied.predictions_expired:,} have expired; "
        f"{applied.labels:,} with labels, {applied.labels_changed:,} change and "
        f"{applied.labels_expired:,} have expired."
    )
