"""A run: sends the cases, judges each response, and looks at the service afterwards."""

import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any, TextIO

import httpx2

from tests.fuzz.cases import Case
from tests.fuzz.verdict import MAX_SECONDS, faults_of
from tests.fuzz.wire import Connection

MAX_SHOWN_BYTES = 2000
MAX_FAILURES = 200
SECONDS_TO_REST = 10.0


class Run:
    """Counts of what was sent so far, and the failures."""

    def __init__(self, port: int, *, output: TextIO = sys.stderr) -> None:
        self._connection, self._port, self._output = Connection(port), port, output
        self.sent = 0
        self.statuses: Counter[int] = Counter()
        self.kinds: Counter[str] = Counter()
        self.failures: list[dict[str, Any]] = []
        self.refused_valid: list[str] = []

    async def send_all(self, cases: Iterable[Case]) -> None:
        """Send each case; a progress line after every 500."""
        for case in cases:
            await self._send(case)
            if self.sent % 500 == 0:
                print(f"{self.sent} sent, {len(self.failures)} failed", file=self._output)
        self._connection.close()

    async def _send(self, case: Case) -> None:
        answer = await self._connection.send(case.request)
        if answer.seconds > MAX_SECONDS and answer.status:  # a busy machine, unless it repeats
            answer = await self._connection.send(case.request)
        self.sent += 1
        self.statuses[answer.status] += 1
        self.kinds[case.kind] += 1
        if case.kind == "valid" and not 200 <= answer.status < 300:
            self.refused_valid.append(f"{case.operation.name}: {answer.status}")
        faults = faults_of(answer, case.operation.statuses)
        if faults and len(self.failures) < MAX_FAILURES:
            failure = {
                "case": case.number,
                "operation": case.operation.name,
                "kind": case.kind,
                "faults": faults,
                "response": answer.body[:400].decode("utf-8", "replace"),
                "request": snippet(case.request, self._port),
            }
            self.failures.append(failure)
            print(f"{case.operation.name} {faults}\n{failure['request']}", file=self._output)


def snippet(request: bytes, port: int) -> str:
    """Return Python that sends a request again; a long one is cut, which its seed repeats."""
    cut = (
        f"  # and {len(request) - MAX_SHOWN_BYTES} bytes" if len(request) > MAX_SHOWN_BYTES else ""
    )
    shown = re.sub(rb"(?i)(authorization: bearer )\S{40,}", rb"\1TOKEN", request)[:MAX_SHOWN_BYTES]
    return (
        f"import socket; s = socket.create_connection(('127.0.0.1', {port}))\n"
        f"s.sendall({shown!r}){cut}\nprint(s.recv(65536))"
    )


def wait_for_rest(client: httpx2.Client) -> list[str]:
    """Wait until nothing is in use in either store; return what is wrong after 10 s."""
    deadline = time.monotonic() + SECONDS_TO_REST
    while time.monotonic() < deadline:
        ready = client.get("/readyz")
        busy = _busy_figures(client.get("/metrics").text)
        if ready.status_code == 200 and not busy:
            return []
        time.sleep(0.2)
    return [f"readyz {ready.status_code}", *busy]


def _busy_figures(metrics: str) -> list[str]:
    """Return the figures of connections in use; the scrape itself uses none."""
    lines = re.findall(
        r'^polystore_store\{.*figure="(?:connections_in_use|calls_abandoned)".*\} .+$',
        metrics,
        re.MULTILINE,
    )
    return [line for line in lines if float(line.rsplit(" ", 1)[1]) > 0]


def report_of(run: Run, seed: int, seconds: float, rest: list[str], schema: list[str]) -> str:
    """Return the report as JSON."""
    return json.dumps(
        {
            "seed": seed,
            "sent": run.sent,
            "seconds": round(seconds, 1),
            "statuses": dict(sorted(run.statuses.items())),
            "kinds": dict(sorted(run.kinds.items())),
            "refused_valid": run.refused_valid,
            "not_at_rest": rest,
            "schemathesis": schema,
            "failures": run.failures,
        },
        indent=1,
    )
