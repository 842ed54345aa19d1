"""``polystore retention``: apply changed retention rules to stored predictions."""

import asyncio
import time
from dataclasses import asdict

import typer
from pydantic import SecretStr

from service.cli.output import (
    AsJson,
    CommandFailed,
    OnProgress,
    print_progress,
    report,
    report_errors,
    status_line,
)
from service.cli.stores import open_store
from service.core.errors import ServiceError
from service.documents.predictions.apply_retention import RetentionJob, RetentionReport
from service.settings import Settings
from service.stores.mongo.client import open_mongo

retention_app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")
PROGRESS_SECONDS = 10.0
# Longer than a request may take, because a batch may take longer.
TIMEOUTS = {"mongo_operation_seconds": 5.0, "mongo_deadline_seconds": 6.0}


class RetentionFailed(CommandFailed):
    """MongoDB did not respond."""


@retention_app.command("plan")
def plan(*, as_json: AsJson = False) -> None:
    """Count what `apply` would change, and how much would then be deleted. Changes nothing.

    Example: `polystore retention plan`
    """
    _run(changes=False, as_json=as_json)


@retention_app.command("apply")
def apply(*, as_json: AsJson = False) -> None:
    """Apply the rules to the predictions and labels that are already stored.

    Expired ones are deleted within minutes: run `polystore retention plan` first. It may run beside
    the traffic and be interrupted: run it again. All processes know a new rule after about 5 s; run
    it after that.

    Example: `polystore retention apply --json`
    """
    _run(changes=True, as_json=as_json)


def _run(*, changes: bool, as_json: bool) -> None:
    with report_errors(), open_store(Settings(), "mongodb_url") as url:
        settings = Settings().model_copy(update={"mongodb_url": SecretStr(url), **TIMEOUTS})
        with status_line() as show_status:
            try:
                applied = asyncio.run(_apply(settings, _Progress(show_status), changes=changes))
            except ServiceError as error:
                raise RetentionFailed(
                    f"{error.message} Completed batches remain; run it again."
                ) from error
        report(asdict(applied), [_summary(applied)], as_json=as_json)


async def _apply(settings: Settings, progress: "_Progress", *, changes: bool) -> RetentionReport:
    async with open_mongo(settings) as mongo:
        return await RetentionJob(
            mongo, settings.retention_days, progress, dry_run=not changes
        ).run()


class _Progress:
    """Print the progress: continuously on a terminal, every 10 s elsewhere."""

    def __init__(self, show_status: OnProgress | None) -> None:
        self._show_status, self._printed_at = show_status, time.monotonic()

    def __call__(self, applied: RetentionReport, position: str) -> None:
        line = f"at {position}: {_summary(applied)}"
        if self._show_status is not None:
            self._show_status(line)
        elif time.monotonic() - self._printed_at >= PROGRESS_SECONDS:
            self._printed_at = time.monotonic()
            print_progress(line)


def _summary(applied: RetentionReport) -> str:
    return (
        f"{applied.predictions:,} predictions of {applied.versions:,} versions checked: "
        f"{applied.predictions_changed:,} change, {applied.predictions_expired:,} have expired; "
        f"{applied.labels:,} with labels: {applied.labels_changed:,} change, "
        f"{applied.labels_expired:,} have expired."
    )
