"""The fuzzer itself: what it finds in a broken application, and a short run against the service."""

import argparse
import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fastapi import FastAPI

from tests.fixtures.service import running_service
from tests.fuzz.__main__ import ENVIRONMENT, fuzz
from tests.fuzz.cases import Case, Operation, operations_of
from tests.fuzz.hostile_values import CANARY
from tests.fuzz.mutations import mutated_bytes, mutated_tree
from tests.fuzz.run import Run, snippet
from tests.fuzz.verdict import faults_of
from tests.fuzz.wire import Answer, request_bytes

PROBLEM = {"code": "invalid", "request_id": "r", "status": 422, "instance": f"/{CANARY}"}
HEADERS = {"content-type": "application/problem+json"}


def answer(status: int = 422, seconds: float = 0.0, **changed: Any) -> Answer:
    body = json.dumps({**PROBLEM, "status": status, **changed}).encode()
    return Answer(status, HEADERS, body, seconds)


@pytest.mark.parametrize(
    ("response", "fault"),
    [
        (answer(0), "without a response"),
        (answer(500), "status 500"),
        (answer(503), "status 503"),
        (answer(seconds=3.0), "took more"),
        (answer(detail="x" * 5000), "bytes"),
        (answer(detail=f"not {CANARY}"), "repeats"),
        (answer(code=""), "no code"),
        (answer(request_id=None), "no request_id"),
        (answer()._replace(headers={}), "no problem+json"),
        (answer()._replace(body=b"{"), "no JSON"),
        (answer()._replace(status=400), "another status"),
    ],
)
def test_verdict_names_each_fault(response: Answer, fault: str) -> None:
    (found,) = faults_of(response, {"422"})
    assert fault in found


@pytest.mark.parametrize("response", [answer(), answer(503), Answer(200, {}, CANARY.encode(), 0.1)])
def test_verdict_good_answer_has_no_fault(response: Answer) -> None:
    assert faults_of(response, {"422", "503"}) == []


def test_mutations_same_seed_gives_the_same_bodies() -> None:
    body = {"name": "x", "tags": ["a", {"b": 1}]}

    def changed(seed: int) -> list[bytes]:
        random = Random(seed)
        trees = [mutated_tree(body, ["price"], random) for _ in range(300)]
        return trees + [mutated_bytes(b'{"a": 1}', random) for _ in range(100)]

    assert changed(1) == changed(1)
    assert changed(1) != changed(2)
    assert len(set(changed(1))) > 200
    assert body == {"name": "x", "tags": ["a", {"b": 1}]}


@asynccontextmanager
async def broken_service(status: bytes, body: bytes) -> AsyncIterator[int]:
    """Serve one response to everything; without a status, close the connection."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if status:
            head = b"HTTP/1.1 %b X\r\nContent-Type: application/problem+json\r\nConnection: close"
            writer.write(head % status + b"\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("status", "problem", "fault"),
    [
        (b"500", {**PROBLEM, "status": 500}, "status 500"),
        (b"422", {**PROBLEM, "detail": CANARY}, "the problem repeats a value"),
        (b"", {}, "the connection ended without a response"),
    ],
)
async def test_run_finds_a_planted_fault_and_repeats_it(
    status: bytes, problem: dict[str, Any], fault: str
) -> None:
    output = StringIO()
    operation = Operation("planted", "GET", "/planted", "", [], [], [], frozenset())
    request = request_bytes("GET", "/planted", [("Host", "x")], None)
    async with broken_service(status, json.dumps(problem).encode()) as port:
        run = Run(port, output=output)
        await run.send_all([Case(0, operation, "query", request)])
        assert snippet(request, port) in output.getvalue()
    (failure,) = run.failures
    assert (failure["operation"], failure["faults"]) == ("planted", [fault])


def test_snippet_of_a_failure_holds_no_credentials() -> None:
    token = "a" * 80
    request = request_bytes("GET", "/", [("Authorization", f"Bearer {token}")], b"x" * 9000)
    shown = snippet(request, 1)
    assert token not in shown
    assert "bytes" in shown
    assert len(shown) < 3000


def test_operations_have_a_body_wherever_one_is_described(app: FastAPI) -> None:
    openapi = app.openapi()
    operations = {operation.name: operation for operation in operations_of(openapi)}
    assert len(operations) > 100
    described = {
        entry["operationId"]
        for methods in openapi["paths"].values()
        for entry in methods.values()
        if "requestBody" in entry
    }
    assert {name for name, operation in operations.items() if operation.bodies} == described


@pytest.mark.generators
def test_fuzz_short_run_finds_nothing(service_folder: Path) -> None:
    options = argparse.Namespace(cases=300, examples=0, seed=20261127, only=None)
    with running_service(service_folder, **ENVIRONMENT) as service:
        report, failed = fuzz(service, options)
    assert not failed, report
    assert json.loads(report)["statuses"]["200"] > 30
