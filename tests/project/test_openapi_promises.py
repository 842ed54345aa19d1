"""The service does what the document promises of examples, Idempotency-Key and If-None-Match."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx2
import pytest
from fastapi import FastAPI

from service.main import State
from service.web.bodies.ndjson import BYTES
from tests.project.access_data import AccessData
from tests.project.access_matrix import ACCESS_MATRIX
from tests.project.test_openapi_rules import operations, resolved

ENDLESS = {"predictions_tail"}
FORM = "application/x-www-form-urlencoded"
# Answers to an example that names what does not exist here: an object, a user, a password.
UNKNOWN = {404, 409}
OTHERWISE = {
    "auth_token": {401},
    "me_change_password": {403},
    "transfers_create": {422},
}


class Sender:
    """Sends each operation with the credentials of an administrator, to objects that exist."""

    def __init__(self, app: FastAPI, data: AccessData, client: httpx2.AsyncClient) -> None:
        self.document = app.openapi()
        self._data, self._client = data, client

    def operations(self, *methods: str) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
        for name, path, operation in operations(self.document):
            method = next(
                key for key, value in self.document["paths"][path].items() if value is operation
            )
            if method in methods and name not in ENDLESS:
                yield name, method, path, operation

    async def send(
        self, name: str, method: str, path: str, headers: dict[str, str], content: bytes = b""
    ) -> httpx2.Response:
        """Send a request, with the examples of its headers."""
        row = ACCESS_MATRIX[name] if name in ACCESS_MATRIX else ACCESS_MATRIX[f"{name} own"]
        url = await self._data.path(path, row.parameters) + row.query
        headers = headers | await self._data.headers("admin", name)
        for parameter in self.document["paths"][path][method].get("parameters", ()):
            if parameter["in"] == "header" and "example" in parameter:
                headers[parameter["name"]] = parameter["example"]
        return await self._client.request(method, url, content=content, headers=headers)

    def bodies(self, operation: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
        """Yield each example of a body, with its type; without a body an empty one."""
        if "requestBody" not in operation:
            yield "application/json", b""
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            schema = resolved(self.document, content["schema"])
            example = content.get("example", schema.get("example"))
            if kind == FORM:
                yield kind, urlencode(example).encode()
            else:
                yield kind, example.encode() if kind == BYTES else json.dumps(example).encode()


@pytest.fixture(scope="module")
def sender(app: FastAPI, state: State, module_anonymous_client: httpx2.AsyncClient) -> Sender:
    return Sender(app, AccessData(state, module_anonymous_client), module_anonymous_client)


class Exchange(NamedTuple):
    """An example that was sent twice with the same Idempotency-Key."""

    name: str
    kind: str
    operation: dict[str, Any]
    first: httpx2.Response
    again: httpx2.Response


@pytest.fixture(scope="module")
async def exchanges(sender: Sender) -> list[Exchange]:
    """Every example of a body, and every operation without one that changes something."""
    found = []
    for name, method, path, operation in sender.operations("post", "put", "patch"):
        for kind, body in sender.bodies(operation):
            headers = {"Content-Type": kind, "Idempotency-Key": f"{name} {kind}"}
            first = await sender.send(name, method, path, headers, body)
            again = await sender.send(name, method, path, headers, body)
            found.append(Exchange(name, kind, operation, first, again))
    return found


def test_openapi_each_example_is_accepted(exchanges: list[Exchange]) -> None:
    wrong = [
        (name, kind, first.status_code, first.text)
        for name, kind, _, first, _ in exchanges
        if not first.is_success and first.status_code not in UNKNOWN | OTHERWISE.get(name, set())
    ]
    assert wrong == []
    assert len(exchanges) > 50


def test_openapi_idempotency_key_is_declared_where_it_works(exchanges: list[Exchange]) -> None:
    wrong, works = [], 0
    for name, _, operation, first, again in exchanges:
        code = again.json().get("code") if again.content.startswith(b"{") else None
        repeated = "idempotency-replayed" in again.headers or code == "shown_once"
        names = [parameter["name"] for parameter in operation.get("parameters", ())]
        if first.is_success and repeated != ("Idempotency-Key" in names):
            wrong.append((name, repeated))
        works += first.is_success and repeated
    assert wrong == []
    assert works > 10


def test_openapi_lines_sent_as_bytes_are_answered_as_bytes(exchanges: list[Exchange]) -> None:
    kinds = {
        name: first.headers["content-type"]
        for name, kind, _, first, _ in exchanges
        if kind == BYTES and not name.endswith("_artifacts_put")  # which take any file
    }
    streams = ("predictions_stream", "labels_stream", "products_import")
    assert kinds == dict.fromkeys(streams, BYTES)


async def test_openapi_if_none_match_is_declared_where_it_works(sender: Sender) -> None:
    wrong, count = [], 0
    for name, method, path, operation in sender.operations("get"):
        first = await sender.send(name, method, path, {})
        etag = first.headers.get("etag", "*")
        again = await sender.send(name, method, path, {"If-None-Match": etag})
        names = [parameter["name"] for parameter in operation.get("parameters", ())]
        works = again.status_code == 304
        if works != ("If-None-Match" in names) or works != ("304" in operation["responses"]):
            wrong.append((name, first.status_code, again.status_code))
        count += works
    assert wrong == []
    assert count > 10
