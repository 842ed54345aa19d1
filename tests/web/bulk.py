"""Helpers of the tests of bulk requests."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
from sqlalchemy import event

from service.main import State

NON_ATOMIC = {"atomic": "false"}


def item_results(response: httpx2.Response) -> list[tuple[int, str | None, list[str]]]:
    """Return the status, code and pointers of each item of a 207."""
    assert response.status_code == 207, response.text
    return [
        (
            item["status"],
            item.get("code"),
            [error["pointer"] for error in item.get("errors", ())],
        )
        for item in response.json()["items"]
    ]


def status_code_places(response: httpx2.Response) -> tuple[int, str, list[tuple[str, str]]]:
    """Return the status and code of an error, and the pointer and code of each place."""
    body = response.json()
    places = [(error["pointer"], error["code"]) for error in body["errors"]]
    return response.status_code, body["code"], places


@contextmanager
def deadlocks(state: State) -> Iterator[list[str]]:
    """Yield a list that collects the statements which PostgreSQL ended as a deadlock."""
    statements: list[str] = []

    def listen(context: Any) -> None:
        cause = getattr(context.original_exception, "__cause__", None)
        if getattr(cause, "sqlstate", None) == "40P01":
            statements.append(str(context.statement))

    engine = state["sql"].engine.sync_engine
    event.listen(engine, "handle_error", listen)
    try:
        yield statements
    finally:
        event.remove(engine, "handle_error", listen)
