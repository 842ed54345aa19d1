"""Send the lines of a file in parts, each as one stream, until they are durable.

A part is small, so that its answer is read soon: httpx2 reads after it has sent. A part that was
cut goes on behind the last line that the service has acknowledged.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import httpx2

from service.cli.load.events import Lines
from service.cli.load.rows import Row
from service.cli.output import CommandFailed
from service.core.errors import FieldError

EVENTS, LABELS = "/v1/predictions/stream", "/v1/labels/stream"
# Without any progress for so long, it is better to ask a person.
PATIENCE_SECONDS = 60.0
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.2, 5.0
_TRANSIENT = {408, 429, 502, 503, 504}
_COUNTED = ("created", "duplicates", "conflicts", "rejected")
_LABELS_COUNTED = ("labelled", "revised", "unchanged", "rejected")


class LoadStopped(CommandFailed):
    """The service is not reachable, or refuses whatever is sent."""


class Rejection(NamedTuple):
    """A row, or its label, that is not stored, and why."""

    row: Row
    code: str
    errors: list[FieldError]


class Part(NamedTuple):
    """Some rows of the file in order: those with lines, and those that could not be read."""

    lines: list[Lines]
    unreadable: list[Row]

    @property
    def last(self) -> Row:
        """Return the last row."""
        return max((*(line.row for line in self.lines), *self.unreadable), key=_number)


def _number(row: Row) -> int:
    return row.number


class Result(NamedTuple):
    """The result of a part; ``failure`` is the reason why some of it was not sent."""

    events: Counter[str]
    labels: Counter[str]
    rejections: list[Rejection]
    failure: str | None = None


class _Progress:
    """The results of the lines of one part: counts, errors by index, and how many are durable."""

    def __init__(self) -> None:
        self.durable, self.counts = 0, Counter[str]()
        self.errors: dict[int, tuple[str, list[FieldError]]] = {}


class _TryAgain(Exception):
    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class Sender:
    """A connection to one service. ``stop`` ends the waiting between attempts."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client, self._answered, self.stop = client, False, threading.Event()

    def send(self, part: Part) -> Result:
        """Send the events, then the labels of those that are stored."""
        unreadable = [
            Rejection(row, "rejected", [row.fault]) for row in part.unreadable if row.fault
        ]
        events, labels = _Progress(), _Progress()
        labelled: list[Lines] = []
        failure = self._deliver(EVENTS, [line.event for line in part.lines], events)
        if failure is None:
            stored = (line for index, line in enumerate(part.lines) if index not in events.errors)
            labelled = [line for line in stored if line.label is not None]
            failure = self._deliver(LABELS, [line.label for line in labelled if line.label], labels)
        rejections = [*_rejections(part.lines, events), *_rejections(labelled, labels), *unreadable]
        events.counts["rejected"] += len(unreadable)
        return Result(
            events.counts,
            labels.counts,
            sorted(rejections, key=lambda item: item.row.number),
            failure,
        )

    def _deliver(self, path: str, lines: Sequence[bytes], progress: _Progress) -> str | None:
        """Send lines until all are durable; return the reason if that does not happen."""
        wait, since = FIRST_WAIT_SECONDS, time.monotonic()
        while progress.durable < len(lines):
            before = progress.durable
            try:
                self._attempt(path, lines[before:], progress)
            except LoadStopped as error:
                return str(error)
            except _TryAgain as error:
                if progress.durable > before:
                    wait, since = FIRST_WAIT_SECONDS, time.monotonic()
                if time.monotonic() - since > PATIENCE_SECONDS or self.stop.wait(
                    max(wait, error.wait)
                ):
                    return str(error)
                wait = min(2 * wait, LONGEST_WAIT_SECONDS)
        return None

    def _attempt(self, path: str, lines: Sequence[bytes], progress: _Progress) -> None:
        """Send lines once; what is acknowledged counts, also if the answer then breaks off."""
        acknowledged: dict[str, Any] = {}
        first = progress.durable
        try:
            with self._client.stream("POST", path, content=b"\n".join(lines)) as response:
                self._answered = True
                if not response.is_success:
                    raise _refusal(response.status_code, response.read(), response.headers)
                for line in map(_parse, response.iter_lines()):
                    if "code" in line:
                        raise _refusal(line["status"], json.dumps(line).encode(), {})
                    acknowledged = line
                    progress.durable = first + line["committed_through"]
                    for error in line["errors"]:
                        at = first + error["line"] - 1
                        progress.errors[at] = (error["code"], error.get("errors", []))
        except httpx2.TransportError as error:
            raise self._unreachable(error) from error
        except httpx2.DecodingError as error:
            raise _broken_off() from error
        finally:
            names = _COUNTED if path == EVENTS else _LABELS_COUNTED
            progress.counts.update({name: acknowledged.get(name, 0) for name in names})
        if progress.durable < first + len(lines):
            raise _broken_off()

    def _unreachable(self, error: httpx2.TransportError) -> Exception:
        url = self._client.base_url
        reason = f"No service responds at {url} ({type(error).__name__})."
        return (
            _TryAgain(reason)
            if self._answered
            else LoadStopped(f"{reason} Start it, or use --url.")
        )


def _broken_off() -> _TryAgain:
    return _TryAgain("The answer broke off.")


def _parse(text: str) -> dict[str, Any]:
    """Return a line of the answer; one that was cut, or that a proxy wrote, is no such line."""
    try:
        line: dict[str, Any] = json.loads(text)
        if line.keys() >= {"committed_through", "errors"} or line.keys() >= {"code", "status"}:
            return line
    except (ValueError, AttributeError) as error:
        raise _broken_off() from error
    raise _broken_off()


def _refusal(status: int, body: bytes, headers: Any) -> Exception:
    """Return how to go on after a response that is no success."""
    try:
        problem = json.loads(body)
        reason = f"The service returned {status} {problem['code']}: {problem['detail']}"
    except (ValueError, KeyError, TypeError):
        reason = f"The service returned {status}."
    if status not in _TRANSIENT:
        return LoadStopped(reason)
    wait = headers.get("Retry-After", "0")
    return _TryAgain(reason, float(wait) if wait.isdecimal() else 0.0)


def _rejections(lines: Sequence[Lines], progress: _Progress) -> list[Rejection]:
    return [
        Rejection(lines[index].row, code, errors)
        for index, (code, errors) in progress.errors.items()
    ]
