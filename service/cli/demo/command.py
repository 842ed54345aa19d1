"""The command ``polystore demo``."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import httpx2
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from service.cli.admin import load_credentials
from service.cli.demo.client import DemoFailed, send
from service.cli.demo.records import create_records
from service.cli.demo.traffic import make_traffic
from service.cli.output import AsJson, error_console, report, report_errors
from service.settings import Settings

BATCH_SIZE = 500


def demo(
    url: Annotated[str | None, typer.Option(help="The service to send to.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Send sample traffic and records to the running service. A second run adds nothing.

    Example: `polystore demo --url http://127.0.0.1:8000`
    """
    with report_errors():
        settings = Settings()
        target = url or settings.address(settings.port)
        token = settings.token and settings.token.get_secret_value()
        result = send_samples(target, token or load_credentials(settings).demo_key)
        report(result, next_steps(target, result), as_json=as_json)


def send_samples(url: str, token: str) -> dict[str, Any]:
    """Send the samples to the service at ``url``; return ids to look at and counts.

    Raises:
        DemoFailed: with what to do.
    """
    events, labels = make_traffic()
    try:
        headers = {"Authorization": f"Bearer {token}"}
        with httpx2.Client(base_url=url, timeout=30, trust_env=False, headers=headers) as client:
            ids = create_records(client)
            counts = _send_in_batches(client, "predictions", "/v1/predictions/batch", events)
            label_counts = _send_in_batches(client, "labels", "/v1/labels/batch", labels)
    except httpx2.TransportError as error:
        raise DemoFailed(f"No service responds at {url}. Start it: make serve") from error
    prediction = {"prediction": events[0]["prediction_id"], "model": events[0]["model"]}
    return {**ids, **prediction, **counts, "labels": label_counts}


def next_steps(url: str, result: dict[str, Any]) -> list[str]:
    """Return lines that summarize the result and name requests to try."""
    newest = f"{url}/v1/predictions?model={result['model']}&status=error&limit=5"
    created, duplicates = result["created"], result["duplicates"]
    labelled, revised = result["labels"]["labelled"], result["labels"]["revised"]
    no_shop = (
        "No products and orders: these credentials lack the scopes. "
        "Repeat it with POLYSTORE_TOKEN=$(.venv/bin/polystore token)."
    )
    return [
        f"{created} predictions created, {duplicates} existed already;",
        f"{labelled} of them labelled, {revised} labels revised.",
        *([] if result["order"] else [no_shop]),
        "Look at:",
        '  AUTH="Authorization: Bearer $(.venv/bin/polystore token)"',
        f"  curl -s -H \"$AUTH\" '{newest}'",
        f'  curl -s -H "$AUTH" {url}/v1/predictions/{result["prediction"]}',
        f"  curl -s -H \"$AUTH\" '{url}/v1/posts/{result['post']}?expand=author,tags'",
        f"  curl -s -H \"$AUTH\" '{url}/v1/users?q=demo'",
        f'  curl -s -H "$AUTH" {url}/v1/items/{result["item"]}',
        f"  {url}/docs",
    ]


def _send_in_batches(
    client: httpx2.Client, name: str, path: str, rows: Sequence[Any]
) -> dict[str, int]:
    """Send rows in batches; return the sum of the counts in all responses."""
    total = Counter[str]()
    columns = (TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=error_console) as progress:
        task = progress.add_task(name, total=len(rows))
        for batch in _batches(rows):
            counts = send(client, "POST", path, json={"items": batch})
            del counts["results"]
            total.update(counts)
            progress.advance(task, len(batch))
    return dict(total)


def _batches(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), BATCH_SIZE):
        yield rows[start : start + BATCH_SIZE]
