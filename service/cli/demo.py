"""``polystore demo``: real prediction traffic, and a few people who talk about it, over HTTP.

Everything is sent with ids and Idempotency-Keys that are the same each time, so that a second run
adds nothing: a small proof of what the service promises.
"""

import gzip
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

SAMPLE = Path(__file__).parent.parent / "tests" / "data"
ROWS_AT_ONCE = 500


class DemoFailed(Exception):
    """The service is not there, or did not answer as it should."""


def run_demo(url: str, token: str, console: Console) -> dict[str, Any]:
    """Sends the sample to the service at ``url``, as who the token is; what became of it.

    Raises:
        DemoFailed: with what to do about it.
    """
    try:
        headers = {"Authorization": f"Bearer {token}"}
        with httpx2.Client(base_url=url, timeout=30, trust_env=False, headers=headers) as client:
            people = _people(client)
            events = _sent(client, console, "events", "/v1/predictions/batch")
            labels = _sent(client, console, "labels", "/v1/labels/batch")
    except httpx2.TransportError as error:
        raise DemoFailed(f"Nobody answers at {url}. Start the service: make serve") from error
    first = _sample("events")[0]
    shown = {"prediction": first["prediction_id"], "model": first["model"]}
    return {**people, **shown, **events, "labels": labels}


def what_next(url: str, told: dict[str, Any]) -> list[str]:
    """What to look at now, for people."""
    newest = f"{url}/v1/predictions?model={told['model']}&status=error&limit=5"
    created, before = told["created"], told["duplicates"]
    labelled, revised = told["labels"]["labelled"], told["labels"]["revised"]
    return [
        f"{created} predictions created, {before} were there already;",
        f"{labelled} of them labelled, {revised} labels revised. Look at:",
        '  AUTH="Authorization: Bearer $(.venv/bin/polystore token)"',
        f"  curl -s -H \"$AUTH\" '{newest}'",
        f'  curl -s -H "$AUTH" {url}/v1/predictions/{told["prediction"]}',
        f"  curl -s -H \"$AUTH\" '{url}/v1/posts/{told['post']}?expand=author,tags'",
        f'  curl -s -H "$AUTH" {url}/v1/items/{told["item"]}',
        f"  {url}/docs",
    ]


def _sample(name: str) -> list[dict[str, Any]]:
    path = SAMPLE / f"{name}.ndjson.gz"
    if not path.exists():
        raise DemoFailed(f"{path} is missing. The demo runs in a checkout of the project.")
    with gzip.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]


def _send(client: httpx2.Client, method: str, path: str, **options: Any) -> Any:
    response = client.request(method, path, **options)
    if response.is_error:
        raise DemoFailed(
            f"{method} {path} was answered with {response.status_code}: {response.text}"
        )
    return response.json()


def _people(client: httpx2.Client) -> dict[str, Any]:
    def once(path: str, key: str, body: dict[str, Any]) -> Any:
        return _send(client, "POST", path, json=body, headers={"Idempotency-Key": f"demo-{key}"})

    found = _send(client, "GET", "/v1/users", params={"q": "demo-ada"})["items"]
    ada = (
        found[0]
        if found
        else once(
            "/v1/users",
            "ada",
            {
                "username": "demo-ada",
                "email": "ada@demo.example",
                "name": "Ada Demo",
                "city": "London",
            },
        )
    )
    post = once(
        "/v1/posts",
        f"post-{ada['id']}",
        {
            "author_id": ada["id"],
            "title": "What the model said",
            "content": "Rows in PostgreSQL, documents and prediction logs in MongoDB.",
            "published": True,
            "tags": ["demo", "machine learning"],
        },
    )
    item = once(
        "/v1/items",
        "scanner",
        {
            "name": "Scanner A",
            "type": "device",
            "attributes": {"site": "London", "resolution": {"dpi": 600}},
            "tags": ["demo"],
            "price": "12500.00",
        },
    )
    return {"user": ada["id"], "post": post["id"], "item": item["id"]}


def _batches(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), ROWS_AT_ONCE):
        yield rows[start : start + ROWS_AT_ONCE]


def _bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, console=console)


def _sent(client: httpx2.Client, console: Console, name: str, path: str) -> dict[str, int]:
    """Sends a sample in batches; the counts of all answers."""
    rows, total = _sample(name), Counter[str]()
    with _bar(console) as bar:
        task = bar.add_task(name, total=len(rows))
        for batch in _batches(rows):
            told = _send(client, "POST", path, json={"items": batch})
            del told["results"]
            total.update(told)
            bar.advance(task, len(batch))
    return dict(total)
