"""How a run of migrations gets on: which step of how many, how long each took, that it is alive.

``service.stores.sql.migrations`` hands one to env.py, which calls it; plain ``alembic`` does not.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

from alembic.runtime.migration import MigrationInfo
from alembic.script import Script

Tell = Callable[[str], None]
SECONDS_BETWEEN_SIGNS = 10.0  # of life, in a log; a terminal shows one each second


class Finished(NamedTuple):
    """A step that is behind us. ``rows``: those a data migration changed, None if it is none."""

    revision: str
    why: str
    seconds: float
    rows: int | None


class Progress:
    """Tells lines that stay; ``show`` gets the line of the moment, where a terminal can show it."""

    def __init__(self, tell: Tell, show: Tell | None = None) -> None:
        self.finished: list[Finished] = []
        self._tell, self._show = tell, show
        self._steps: Sequence[Script] = ()
        self._began = self._said = time.monotonic()
        self._rows: int | None = None
        self._rows_to_do = 0

    @property
    def at(self) -> str | None:
        """The revision of the step at work; None before the first and after the last."""
        place = len(self.finished)
        return self._steps[place].revision if place < len(self._steps) else None

    def waits(self) -> None:
        """Another runner holds the lock."""
        self._tell("another runner is at work; waiting for it")

    def begins(self, steps: Sequence[Script]) -> None:
        """What there is to do, now that nobody else does it."""
        self._steps = steps
        self._start()

    def counted(self, rows: int) -> None:
        """So many rows wait for the data migration at work."""
        self._rows, self._rows_to_do = self._rows or 0, rows

    def advanced(self, rows: int) -> None:
        """A batch more is done, and stays."""
        self._rows = (self._rows or 0) + rows
        self.tick()

    def tick(self) -> None:
        """A sign of life; called about once a second, whatever the database is busy with."""
        if self.at is None:
            return
        if self._show is not None:
            self._show(self._now())
        elif time.monotonic() - self._said >= SECONDS_BETWEEN_SIGNS:
            self._said = time.monotonic()
            self._tell(self._now())

    def apply(self, *, step: MigrationInfo, **_: Any) -> None:
        """Alembic's ``on_version_apply``: a step is done."""
        revision, seconds = str(step.up_revision_id), time.monotonic() - self._began
        why = cast("Script", step.up_revision).doc
        place = f"{len(self.finished) + 1} of {len(self._steps)}, {seconds:.2f} s"
        rows = "" if self._rows is None else f", {self._rows:,} rows"
        deed = "applied" if step.is_upgrade else "took back"
        self._tell(f"{deed} {revision} ({place}{rows}): {why}")
        self.finished.append(Finished(revision, why, round(seconds, 3), self._rows))
        self._start()

    def _start(self) -> None:
        self._began = self._said = time.monotonic()
        self._rows, self._rows_to_do = None, 0
        self.tick()

    def _now(self) -> str:
        step, seconds = self._steps[len(self.finished)], time.monotonic() - self._began
        place = f"{len(self.finished) + 1} of {len(self._steps)}"
        rows = "" if self._rows is None else f"{self._rows:,} of {self._rows_to_do:,} rows, "
        return f"at work on {step.revision} ({place}, {rows}{seconds:.0f} s): {step.doc}"
