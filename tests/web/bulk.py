"""Helpers of the tests of bulk requests."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
from sqlalchemy import event

from service.main import State

NON_ATOMIC = {"atomic": "false"}


def told(answer: httpx2.Response) -> list[tuple[int, str | None, list[str]]]:
    """Status, code and pointers of each item of a 207."""
    assert answer.status_code == 207, answer.text
    return [
        (
            item["status"],
            item.get("code"),
            [error["pointer"] for error in item.get("errors", ())],
        )
        for item in answer.json()["items"]
    ]


def refused(answer: httpx2.Response) -> tuple[int, str, list[tuple[str, str]]]:
    """Status and code of a refusal, and pointer and code of each place."""
    body = answer.json()
    places = [(error["pointer"], error["code"]) for error in body["errors"]]
    return answer.status_code, body["code"], places


@contextmanager
def deadlocks(state: State) -> Iterator[list[str]]:
    """Fills the list with what PostgreSQL ended as a deadlock, which the route would try again."""
    seen: list[str] = []

    def listen(context: Any) -> None:
        cause = getattr(context.original_exception, "__cause__", None)
        if getattr(cause, "sqlstate", None) == "40P01":
            seen.append(str(context.statement))

    engine = state["sql"].engine.sync_engine
    event.listen(engine, "handle_error", listen)
    try:
        yield seen
    finally:
        event.remove(engine, "handle_error", listen)
