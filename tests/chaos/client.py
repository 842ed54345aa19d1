"""A client that judges each response: 2xx, or a refusal in the promised form and time."""

import asyncio
import json
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from typing import Any, NamedTuple

from tests.chaos.connections import BROKEN, Connections, Response
from tests.chaos.records import Broken
from tests.chaos.system import System

LONGEST_SECONDS = 2.1
PROBLEM = "application/problem+json"
IN_PROGRESS = "idempotency_in_progress"


class Call(NamedTuple):
    """A request, the store that it needs, and the codes of refusals that are no fault."""

    store: str
    method: str
    path: str
    body: Any = None
    headers: dict[str, str] = {}
    refusals: frozenset[str] = frozenset()
    longest_seconds: float = LONGEST_SECONDS


class Answer(NamedTuple):
    """The status, code and text of a response; the status is 0 if the connection broke."""

    status: int
    code: str
    text: str
    seconds: float

    @property
    def ok(self) -> bool:
        return self.status in {200, 201, 204}

    def json(self) -> Any:
        return json.loads(self.text)


class Sample(NamedTuple):
    """A response: when it came, and after how long."""

    moment: float
    seconds: float
    status: int
    code: str


class Client:
    """Sends calls as the administrator, and counts what came of them by store."""

    def __init__(self, system: System, broken: Broken) -> None:
        self.system, self.broken = system, broken
        self.statuses: Counter[str] = Counter()
        self.slowest: dict[str, float] = defaultdict(float)
        self.moments: dict[str, float] = defaultdict(float)  # of the last 2xx of a write
        self.samples: dict[str, list[Sample]] = defaultdict(list)
        self._connections = Connections()

    def close(self) -> None:
        self._connections.close()

    async def send(self, call: Call) -> Answer:
        """Send once; note everything about the response that breaks a promise."""
        began, moment, pid = time.monotonic(), self.system.now(), self.system.pid
        headers = {"Authorization": f"Bearer {self.system.token}", **call.headers}
        body = b"" if call.body is None else call.body
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        try:
            response = await self._connections.request(
                self.system.url, call.method, call.path, headers, body
            )
        except BROKEN as error:
            self.statuses["no response"] += 1
            if not self.system.absent_between(began, time.monotonic()):
                self.broken.add("connection", f"{call.method} {call.path}: {error!r}")
            return Answer(0, "", "", time.monotonic() - began)
        # A connection to a service that starts waits until it has started.
        waited = pid != self.system.pid or self.system.absent_between(began, time.monotonic())
        seconds = 0.0 if waited else self.system.seconds_since(moment)
        answer = Answer(response.status, _code(response), response.body.decode(), seconds)
        self._note(call, answer, response)
        return answer

    async def probe(self, path: str) -> Response:
        """Return the response to a GET, whatever it is."""
        headers = {"Authorization": f"Bearer {self.system.token}"}
        return await self._connections.request(self.system.url, "GET", path, headers, b"")

    def _note(self, call: Call, answer: Answer, response: Response) -> None:
        now, what = time.monotonic(), f"{call.method} {call.path}"
        self.statuses[f"{answer.status} {answer.code}".strip()] += 1
        self.samples[call.store].append(Sample(now, answer.seconds, answer.status, answer.code))
        if answer.ok and call.method != "GET":
            self.moments[call.store] = now
        route = " ".join([call.method, *call.path.partition("?")[0].split("/")[2:3]])
        self.slowest[route] = max(self.slowest[route], answer.seconds)
        if answer.seconds > call.longest_seconds:
            self.broken.add("late", f"{what}: {answer.status} after {answer.seconds:.2f} s")
        for wrong in mistakes(call, answer, response.headers):
            self.broken.add("response", f"{what}: {wrong}")

    def since(self, store: str, start: float) -> list["Sample"]:
        """Return the responses of a store since a time."""
        samples = self.samples[store]
        return samples[bisect_left(samples, (start,)) :]


def mistakes(call: Call, answer: Answer, headers: Any) -> list[str]:
    """Return what is wrong with a response: every refusal is expected, and in the one form."""
    if answer.ok:
        return []
    short = f"{answer.status} {answer.code} {answer.text[:200]}"
    if answer.status not in {429, 503, 504} and answer.code not in call.refusals:
        return [f"unexpected {short}"]
    wrong = []
    if headers.get("content-type") != PROBLEM or not answer.code:
        wrong.append(f"no problem+json: {short}")
    if answer.status in {429, 503} and "retry-after" not in headers:
        wrong.append(f"no Retry-After: {short}")
    return wrong


def _code(response: Response) -> str:
    if response.headers.get("content-type") != PROBLEM:
        return ""
    try:
        return str(json.loads(response.body)["code"])
    except (ValueError, KeyError, TypeError):
        return ""


def percentile(seconds: list[float], share: float) -> float:
    """Return a percentile, 0 of nothing."""
    return sorted(seconds)[int(len(seconds) * share)] if seconds else 0.0


async def gather_limited(calls: list[Any], at_once: int) -> list[Any]:
    """Await coroutine functions, so many at once; return the results in order."""
    places = asyncio.Semaphore(at_once)

    async def one(call: Any) -> Any:
        async with places:
            return await call()

    return list(await asyncio.gather(*(one(call) for call in calls)))
