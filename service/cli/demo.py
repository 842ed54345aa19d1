"""``polystore demo``: sample prediction traffic, and a few records that refer to it, over HTTP.

Ids and Idempotency-Keys are the same in each run, so a second run adds nothing: a small proof of
what the service promises.
"""

import gzip
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import httpx2
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from service.cli.admin import load_credentials
from service.cli.output import AsJson, CommandFailed, error_console, report, report_errors
from service.settings import Settings

SAMPLES = Path(__file__).parents[2] / "tests" / "data"
BATCH_SIZE = 500


class DemoFailed(CommandFailed):
    """The service is not reachable, or returned an error."""


def demo(
    url: Annotated[str | None, typer.Option(help="The service to send to.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Send sample traffic to the running service. A second run adds nothing.

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
    try:
        headers = {"Authorization": f"Bearer {token}"}
        with httpx2.Client(base_url=url, timeout=30, trust_env=False, headers=headers) as client:
            ids = _create_records(client)
            events = _send_in_batches(client, "events", "/v1/predictions/batch")
            labels = _send_in_batches(client, "labels", "/v1/labels/batch")
    except httpx2.TransportError as error:
        raise DemoFailed(f"No service responds at {url}. Start it: make serve") from error
    first = _sample("events")[0]
    prediction = {"prediction": first["prediction_id"], "model": first["model"]}
    return {**ids, **prediction, **events, "labels": labels}


def next_steps(url: str, result: dict[str, Any]) -> list[str]:
    """Return lines that summarize the result and name requests to try."""
    newest = f"{url}/v1/predictions?model={result['model']}&status=error&limit=5"
    created, duplicates = result["created"], result["duplicates"]
    labelled, revised = result["labels"]["labelled"], result["labels"]["revised"]
    return [
        f"{created} predictions created, {duplicates} existed already;",
        f"{labelled} of them labelled, {revised} labels revised. Look at:",
        '  AUTH="Authorization: Bearer $(.venv/bin/polystore token)"',
        f"  curl -s -H \"$AUTH\" '{newest}'",
        f'  curl -s -H "$AUTH" {url}/v1/predictions/{result["prediction"]}',
        f"  curl -s -H \"$AUTH\" '{url}/v1/posts/{result['post']}?expand=author,tags'",
        f'  curl -s -H "$AUTH" {url}/v1/items/{result["item"]}',
        f"  {url}/docs",
    ]


def _sample(name: str) -> list[dict[str, Any]]:
    path = SAMPLES / f"{name}.ndjson.gz"
    if not path.exists():
        raise DemoFailed(f"{path} is missing. Run the demo in a checkout of the project.")
    with gzip.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]


def _send(client: httpx2.Client, method: str, path: str, **options: Any) -> Any:
    response = client.request(method, path, **options)
    if response.is_error:
        raise DemoFailed(f"{method} {path} returned {response.status_code}: {response.text}")
    return response.json()


def _create_records(client: httpx2.Client) -> dict[str, Any]:
    """Create a user, a post and an item, unless they exist; return their ids."""

    def create(path: str, key: str, body: dict[str, Any]) -> str:
        headers = {"Idempotency-Key": f"demo-{key}"}
        created_id: str = _send(client, "POST", path, json=body, headers=headers)["id"]
        return created_id

    users = _send(client, "GET", "/v1/users", params={"q": "demo-ada"})["items"]
    ada = {
        "username": "demo-ada",
        "email": "ada@demo.example",
        "name": "Ada Demo",
        "city": "London",
    }
    user_id = users[0]["id"] if users else create("/v1/users", "ada", ada)
    post = {
        "author_id": user_id,
        "title": "First predictions of the model",
        "content": "Rows in PostgreSQL, documents and prediction logs in MongoDB.",
        "published": True,
        "tags": ["demo", "machine learning"],
    }
    item = {
        "name": "Scanner A",
        "type": "device",
        "attributes": {"site": "London", "resolution": {"dpi": 600}},
        "tags": ["demo"],
        "price": "12500.00",
    }
    return {
        "user": user_id,
        "post": create("/v1/posts", f"post-{user_id}", post),
        "item": create("/v1/items", "scanner", item),
    }


def _send_in_batches(client: httpx2.Client, name: str, path: str) -> dict[str, int]:
    """Send a sample in batches; return the sum of the counts in all responses."""
    rows, total = _sample(name), Counter[str]()
    columns = (TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=error_console) as progress:
        task = progress.add_task(name, total=len(rows))
        for batch in _batches(rows):
            counts = _send(client, "POST", path, json={"items": batch})
            del counts["results"]
            total.update(counts)
            progress.advance(task, len(batch))
    return dict(total)


def _batches(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), BATCH_SIZE):
        yield rows[start : start + BATCH_SIZE]
