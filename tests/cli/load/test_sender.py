"""Parts are sent until they are durable, through every failure that passes."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from typing_extensions import override

from service.cli.load import sender
from service.cli.load.events import EventWriter
from service.cli.load.loop import send_rows
from service.cli.load.mapping import Plan
from service.cli.load.outcome import Outcome
from service.cli.load.rows import Row
from service.cli.load.sender import Sender
from service.cli.load.times import Times

PLAN = Plan({}, (), (), frozenset(), ("age",), {})
CONSTANTS = {"model": "loans", "version": "3", "timestamp": "2026-01-01T10:00:00Z"}
ROWS = [Row(number, number + 1, number, {"age": number}) for number in range(1, 6)]
Handler = Callable[[int, list[Any]], httpx2.Response]


class Service(httpx2.MockTransport):
    """Answers the n-th request by a function of n and of the ages that were sent."""

    def __init__(self, answer: Handler) -> None:
        super().__init__(self._handle)
        self._answer = answer
        self.received: list[list[int]] = []

    def _handle(self, request: httpx2.Request) -> httpx2.Response:
        ages = [json.loads(line)["features"]["age"] for line in request.content.splitlines()]
        self.received.append(ages)
        return self._answer(len(self.received), ages)


class Broken(httpx2.SyncByteStream):
    """An answer that breaks off after some lines."""

    def __init__(self, *lines: dict[str, Any]) -> None:
        self._lines = lines

    @override
    def __iter__(self) -> Iterator[bytes]:
        for line in self._lines:
            yield json.dumps(line).encode() + b"\n"
        raise httpx2.RemoteProtocolError("cut")


def committed(through: int, created: int, **others: Any) -> dict[str, Any]:
    counts = {"created": created, "duplicates": 0, "conflicts": 0, "rejected": 0, "errors": []}
    return {"committed_through": through, **counts, **others}


def answer(*lines: dict[str, Any], status: int = 200) -> httpx2.Response:
    return httpx2.Response(status, content=b"\n".join(json.dumps(line).encode() for line in lines))


def all_created(_number: int, ages: list[Any]) -> httpx2.Response:
    return answer(committed(len(ages), len(ages)))


def run(service: httpx2.BaseTransport, rows: Iterator[Row] | None = None) -> tuple[Outcome, bool]:
    writer = EventWriter(PLAN, Times(), CONSTANTS, "file")
    with Outcome(None) as outcome, httpx2.Client(transport=service, base_url="http://x") as client:
        interrupted = send_rows(rows or iter(ROWS), 5, writer, Sender(client), outcome)
    return outcome, interrupted


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "FIRST_WAIT_SECONDS", 0.0)


@pytest.mark.parametrize("status", [429, 502, 503])
def test_send_busy_service_is_asked_again(status: int) -> None:
    problem = {"code": "busy", "detail": "Wait."}
    service = Service(
        lambda number, ages: (
            all_created(number, ages) if number > 2 else answer(problem, status=status)
        )
    )
    outcome, _ = run(service)
    assert (outcome.events["created"], outcome.failure) == (5, None)
    assert service.received == [[1, 2, 3, 4, 5]] * 3


def test_send_stopped_stream_goes_on_behind_the_last_line() -> None:
    stopped = {"committed_through": 2, "status": 503, "code": "unavailable", "detail": "Wait."}
    error = {"line": 2, "code": "rejected", "errors": []}
    service = Service(
        lambda number, ages: (
            all_created(number, ages)
            if number > 1
            else answer(committed(2, 1, rejected=1, errors=[error]), stopped)
        )
    )
    outcome, _ = run(service)
    assert service.received == [[1, 2, 3, 4, 5], [3, 4, 5]]
    assert (outcome.events["created"], outcome.events["rejected"]) == (4, 1)
    assert [rejection.row.number for rejection in outcome.shown] == [2]


def test_send_broken_answer_counts_what_it_acknowledged() -> None:
    error = {"line": 1, "code": "conflict"}

    def handle(number: int, ages: list[Any]) -> httpx2.Response:
        if number == 1:
            return httpx2.Response(200, stream=Broken(committed(2, 2)))
        return answer(committed(len(ages), 2, conflicts=1, errors=[error]))

    outcome, _ = run(Service(handle))
    assert (outcome.events["created"], outcome.events["conflicts"]) == (4, 1)
    assert [rejection.row.number for rejection in outcome.shown] == [3]


@pytest.mark.parametrize(
    "rest", [b'{"committed_thr', b"<html>Sign in</html>", b"17", b'{"code": "x"}', b"\xff", b"null"]
)
def test_send_answer_that_is_cut_goes_on_behind_its_last_line(rest: bytes) -> None:
    def handle(number: int, ages: list[Any]) -> httpx2.Response:
        if number > 1:
            return all_created(number, ages)
        return httpx2.Response(200, content=json.dumps(committed(2, 2)).encode() + b"\n" + rest)

    service = Service(handle)
    outcome, _ = run(service)
    assert service.received == [[1, 2, 3, 4, 5], [3, 4, 5]]
    assert (outcome.events["created"], outcome.failure) == (5, None)


def test_send_answer_that_is_packed_wrongly_is_asked_again() -> None:
    packed = {"Content-Encoding": "gzip"}
    service = Service(
        lambda number, ages: (
            all_created(number, ages)
            if number > 1
            else httpx2.Response(200, headers=packed, stream=Broken(committed(2, 2)))
        )
    )
    outcome, _ = run(service)
    assert (len(service.received), outcome.failure) == (2, None)


def test_send_page_of_a_proxy_ends_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "PATIENCE_SECONDS", -1.0)
    outcome, _ = run(Service(lambda _number, _ages: httpx2.Response(200, html="<p>Sign in</p>")))
    assert outcome.failure == "The answer broke off."


def test_send_redirect_is_not_repeated() -> None:
    service = Service(lambda _number, _ages: httpx2.Response(302, headers={"Location": "/login"}))
    outcome, _ = run(service)
    assert (len(service.received), outcome.failure) == (1, "The service returned 302.")


def test_send_refusal_is_not_repeated() -> None:
    problem = {"code": "invalid_token", "detail": "Log in again."}
    service = Service(lambda _number, _ages: answer(problem, status=401))
    outcome, _ = run(service)
    assert len(service.received) == 1
    assert outcome.failure == "The service returned 401 invalid_token: Log in again."
    assert outcome.settled == 0


def test_send_without_progress_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "PATIENCE_SECONDS", -1.0)
    outcome, _ = run(Service(lambda _number, _ages: answer(status=503)))
    assert outcome.failure == "The service returned 503."


def test_send_no_service_names_the_address() -> None:
    def refuse(_request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    outcome, _ = run(httpx2.MockTransport(refuse))
    assert "No service responds at http://x" in str(outcome.failure)


def test_send_interrupted_counts_what_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.cli.load.loop.PART_ROWS", 2)

    def rows() -> Iterator[Row]:
        yield from ROWS[:4]
        raise KeyboardInterrupt

    service = Service(all_created)
    outcome, interrupted = run(service, rows())
    assert interrupted
    assert (outcome.events["created"], outcome.settled) == (4, 4)
    assert service.received == [[1, 2], [3, 4]]
