"""Requests of the demo: JSON in and out, an error as a message."""

from typing import Any

import httpx2

from service.cli.output import CommandFailed

PAGE_ITEMS = 200  # the largest page


class DemoFailed(CommandFailed):
    """The service is not reachable, or returned an error."""


def send(client: httpx2.Client, method: str, path: str, **options: Any) -> Any:
    """Return the JSON of a response.

    Raises:
        DemoFailed: it is an error.
    """
    response = client.request(method, path, **options)
    if response.is_error:
        raise DemoFailed(f"{method} {path} returned {response.status_code}: {response.text}")
    return response.json()


def find_or_create(
    client: httpx2.Client, path: str, by: str, body: dict[str, Any], **filters: str
) -> str:
    """Return the id of the record whose field ``by`` is that of ``body``; create it if missing.

    ``filters`` narrow the list to one page. The record is looked up, because an Idempotency-Key is
    forgotten after a day; the key is for two runs at once.
    """
    found = send(client, "GET", path, params={**filters, "limit": PAGE_ITEMS})["items"]
    for record in found:
        if record[by] == body[by]:
            return str(record["id"])
    headers = {"Idempotency-Key": f"demo {by} {body[by]}"}
    return str(send(client, "POST", path, json=body, headers=headers)["id"])
