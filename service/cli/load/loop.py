"""The loop over the rows of a file: the next part is read while one is sent."""

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from service.cli.load.events import EventWriter, Lines
from service.cli.load.lines import FileUnreadable
from service.cli.load.outcome import Outcome
from service.cli.load.rows import Row
from service.cli.load.sender import Part, Result, Sender
from service.cli.output import error_console, print_progress
from service.core.errors import field_error

PART_ROWS, PART_BYTES = 2000, 4 << 20
PROGRESS_SECONDS = 10.0


def send_rows(
    rows: Iterable[Row], size: int, writer: EventWriter, sender: Sender, outcome: Outcome
) -> bool:
    """Send rows until the end or a failure; return whether Ctrl-C ended it.

    What was being sent at Ctrl-C is finished first, so that its result counts.
    """
    pending: list[tuple[Part, Future[Result]]] = []  # at most one
    shown = _Shown(size, outcome)

    def settle() -> None:
        if pending:
            part, future = pending[0]
            result = future.result()
            pending.clear()
            outcome.add(part, result)
            shown.update(part)

    with shown.bar, ThreadPoolExecutor(1) as worker:
        try:
            for part in _parts(rows, writer):
                settle()
                if outcome.failure is not None:
                    return False
                pending.append((part, worker.submit(sender.send, part)))
            settle()
        except FileUnreadable as error:
            settle()
            outcome.failure = outcome.failure or str(error)
        except KeyboardInterrupt:
            sender.stop.set()
            settle()
            return True
        return False


def _parts(rows: Iterable[Row], writer: EventWriter) -> Iterator[Part]:
    """Yield the rows in parts that are small enough to be kept until they are durable."""
    part, size = Part([], []), 0
    for row in rows:
        lines = _lines(writer, row) if row.fault is None else row
        if isinstance(lines, Row):
            part.unreadable.append(lines)
        else:
            part.lines.append(lines)
            size += len(lines.event)
        if len(part.lines) + len(part.unreadable) >= PART_ROWS or size >= PART_BYTES:
            yield part
            part, size = Part([], []), 0
    if part.lines or part.unreadable:
        yield part


def _lines(writer: EventWriter, row: Row) -> Lines | Row:
    """Return the lines of a row, or the row with the reason why JSON cannot hold it."""
    try:
        return writer.lines(row)
    except (RecursionError, ValueError) as error:
        detail = f"The row cannot be written as JSON: {error}."
        return row._replace(fault=field_error(pointer="", code="unreadable", detail=detail))


class _Shown:
    """The progress: a bar on a terminal, a line every 10 s elsewhere."""

    def __init__(self, size: int, outcome: Outcome) -> None:
        self._outcome, self._size, self._printed_at = outcome, size, time.monotonic()
        self._progress: Progress | None = None
        self.bar: AbstractContextManager[object] = nullcontext()
        if error_console.is_terminal and not error_console.is_dumb_terminal:
            columns = (BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
            self.bar = self._progress = Progress(*columns, console=error_console)
            self._task = self._progress.add_task("0 rows", total=size)

    def update(self, part: Part) -> None:
        position = part.last.position
        rows = f"{part.last.number:,} rows, {self._outcome.events['created']:,} created"
        if self._progress is not None:
            self._progress.update(self._task, completed=position, description=rows)
        elif time.monotonic() - self._printed_at >= PROGRESS_SECONDS:
            self._printed_at = time.monotonic()
            print_progress(f"{rows}, {100 * position // max(self._size, 1)} %")
