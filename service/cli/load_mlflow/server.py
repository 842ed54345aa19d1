"""Requests to a server with MLflow's addresses: answers as JSON, pages, refusals of one object."""

from collections.abc import Iterator
from typing import Any

import httpx2
from httpx2 import codes

from service.cli.output import CommandFailed

API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
TIMEOUT_SECONDS = 120.0  # of a part of an answer; a long history is sent late
AGAIN = "Run the same command again; it continues."
# A server that answers so is not able to answer the next request either.
_ENDS = {codes.UNAUTHORIZED, codes.FORBIDDEN, codes.TOO_MANY_REQUESTS}


class LoadStopped(CommandFailed):
    """A server is not reachable, lets nobody in, or has a fault."""


class Refused(Exception):
    """A server refused a request for what it is about; others may succeed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Server:
    """A server; ``name`` is its address for people."""

    def __init__(self, http: httpx2.Client, name: str) -> None:
        self.http, self.name = http, name

    def get(self, path: str, /, **query: Any) -> Any:
        """Return the answer; raises as ``send``."""
        return self.send("GET", path, params=query)

    def post(self, path: str, /, **body: Any) -> Any:
        """Return the answer; raises as ``send``."""
        return self.send("POST", path, json=body)

    def send(self, method: str, path: str, **options: Any) -> Any:
        """Return the answer's JSON.

        Raises:
            Refused: this request is refused.
            LoadStopped: the server does not answer it, and will not answer others.
        """
        try:
            answer = self.http.request(method, path, **options)
        except httpx2.TransportError as error:
            raise self.stopped(type(error).__name__) from error
        self.check(answer)
        return answer.json() if answer.content else {}

    def check(self, answer: httpx2.Response) -> None:
        """Raise as ``send`` if the answer is an error."""
        if not answer.is_error:
            return
        message = _message(answer)
        if answer.status_code in _ENDS or answer.is_server_error:
            raise self.stopped(f"{answer.status_code} {message}")
        raise Refused(answer.status_code, message)

    def stopped(self, reason: str) -> LoadStopped:
        """Return the error that ends the load."""
        return LoadStopped(f"{self.name} does not answer ({reason}). {AGAIN}")

    def find(self, path: str, /, **query: Any) -> Any:
        """Return the answer, or None if there is no such object."""
        try:
            return self.get(path, **query)
        except Refused as refusal:
            if refusal.status == codes.NOT_FOUND:
                return None
            raise

    def pages(self, method: str, path: str, field: str, **wanted: Any) -> Iterator[Any]:
        """Yield the elements of a list, of which one page at a time is in memory."""
        name = "params" if method == "GET" else "json"
        token: dict[str, str] = {}
        while True:
            page = self.send(method, path, **{name: {**wanted, **token}})
            yield from page.get(field, ())
            if not page.get("next_page_token"):
                return
            token = {"page_token": page["next_page_token"]}


def pairs(rows: list[dict[str, Any]] | None) -> dict[str, str]:
    """Return tags or params by their keys."""
    return {row["key"]: row.get("value", "") for row in rows or ()}


def rows(texts: dict[str, str]) -> list[dict[str, str]]:
    """Return tags or params as MLflow's addresses take them."""
    return [{"key": key, "value": value} for key, value in texts.items()]


def _message(answer: httpx2.Response) -> str:
    try:
        body = answer.json()
        text = body.get("message") or body.get("detail") or body.get("title")
    except (ValueError, AttributeError):
        text = None
    return str(text or answer.reason_phrase)[:300]
