"""Requests of the demo: JSON in and out, an error as a message."""

from typing import Any

import httpx2
from httpx2 import codes

from service.cli.output import CommandFailed
from service.web.idempotency_key import REPLAYED

PAGE_ITEMS = 200  # the largest page


class DemoFailed(CommandFailed):
    """The service is not reachable, or returned an error."""


def send(client: httpx2.Client, method: str, path: str, **options: Any) -> Any:
    """Return the JSON of a response.

    Raises:
        DemoFailed: it is an error.
    """
    return _checked(client.request(method, path, **options)).json()


def find_or_create(
    client: httpx2.Client,
    path: str,
    by: str,
    body: dict[str, Any],
    *,
    restorable: bool = True,
    **filters: str,
) -> str:
    """Return the id of the record whose field ``by`` is that of ``body``.

    A deleted one is restored, if its kind is ``restorable``; one that is missing is created.
    ``filters`` narrow the list to one page. The record is looked up, because an Idempotency-Key is
    forgotten after a day; the key is for two runs at once.

    Raises:
        DemoFailed: the service returned an error.
    """
    found = _find(client, path, by, body[by], filters)
    if found is None and restorable:
        found = _find(client, path, by, body[by], {**filters, "deleted": "true"})
        if found is not None:
            send(client, "POST", f"{path}/{found}/restore")
    return found or _create(client, path, body, f"demo {by} {body[by]}")


def _find(
    client: httpx2.Client, path: str, by: str, value: str, filters: dict[str, str]
) -> str | None:
    found = send(client, "GET", path, params={**filters, "limit": PAGE_ITEMS})["items"]
    return next((str(record["id"]) for record in found if record[by] == value), None)


def _create(client: httpx2.Client, path: str, body: dict[str, Any], key: str) -> str:
    """Create a record, unless the key has already created one that is still there."""
    response = _checked(client.post(path, json=body, headers={"Idempotency-Key": key}))
    record_id = str(response.json()["id"])
    if REPLAYED not in response.headers:
        return record_id
    is_removed = client.get(f"{path}/{record_id}").status_code == codes.NOT_FOUND
    return _create(client, path, body, f"demo after {record_id}") if is_removed else record_id


def _checked(response: httpx2.Response) -> httpx2.Response:
    if response.is_error:
        method, path = response.request.method, response.request.url.path
        raise DemoFailed(f"{method} {path} returned {response.status_code}: {response.text}")
    return response
