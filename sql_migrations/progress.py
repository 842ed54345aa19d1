"""The progress of a run of migrations: the steps, their durations, the rows, and a heartbeat.

``service.stores.sql.migrations`` passes one to env.py, which calls it; plain ``alembic`` does not.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

from alembic.runtime.migration import MigrationInfo
from alembic.script import Script

ReportLine = Callable[[str], None]
LOG_SECONDS = 10.0  # between heartbeats in a log; a terminal shows each of them


class FinishedMigration(NamedTuple):
    """A migration that was applied or reverted. ``rows``: rows changed, None if it is no batch."""

    revision: str
    why: str
    seconds: float
    rows: int | None


class MigrationProgress:
    """Reports each finished migration to ``log``, and the current state to ``show``.

    Without ``show``, which needs a terminal, the state goes to ``log`` every ``LOG_SECONDS``.
    """

    def __init__(self, log: ReportLine, show: ReportLine | None = None) -> None:
        self.finished: list[FinishedMigration] = []
        self._log, self._show = log, show
        self._steps: Sequence[Script] = ()
        self._started = self._logged = time.monotonic()
        self._rows: int | None = None
        self._total_rows = 0

    @property
    def current_revision(self) -> str | None:
        """The revision of the running migration; None before the first and after the last."""
        index = len(self.finished)
        return self._steps[index].revision if index < len(self._steps) else None

    def lock_wait(self) -> None:
        """Report that another runner has the lock."""
        self._log("another runner is at work; waiting for it")

    def start(self, steps: Sequence[Script]) -> None:
        """Set the migrations of this run, once it has the lock."""
        self._steps = steps
        self._start_step()

    def add_to_total(self, rows: int) -> None:
        """Add rows that the running data migration has to change, in one of its batches."""
        self._rows, self._total_rows = self._rows or 0, self._total_rows + rows

    def advance(self, rows: int) -> None:
        """Count a committed batch of ``rows``."""
        self._rows = (self._rows or 0) + rows
        self.heartbeat()

    def heartbeat(self) -> None:
        """Report the current state; called about once a second, also during a long statement."""
        if self.current_revision is None:
            return
        if self._show is not None:
            self._show(self._state())
        elif time.monotonic() - self._logged >= LOG_SECONDS:
            self._logged = time.monotonic()
            self._log(self._state())

    def finish_step(self, *, step: MigrationInfo, **_: Any) -> None:
        """Report a finished migration; Alembic's ``on_version_apply``."""
        revision, seconds = str(step.up_revision_id), time.monotonic() - self._started
        why = cast("Script", step.up_revision).doc
        position = f"{len(self.finished) + 1} of {len(self._steps)}, {seconds:.2f} s"
        rows = "" if self._rows is None else f", {self._rows:,} rows"
        action = "applied" if step.is_upgrade else "reverted"
        self._log(f"{action} {revision} ({position}{rows}): {why}")
        self.finished.append(FinishedMigration(revision, why, round(seconds, 3), self._rows))
        self._start_step()

    def _start_step(self) -> None:
        self._started = self._logged = time.monotonic()
        self._rows, self._total_rows = None, 0
        self.heartbeat()

    def _state(self) -> str:
        step, seconds = self._steps[len(self.finished)], time.monotonic() - self._started
        position = f"{len(self.finished) + 1} of {len(self._steps)}"
        rows = "" if self._rows is None else f"{self._rows:,} of {self._total_rows:,} rows, "
        return f"running {step.revision} ({position}, {rows}{seconds:.0f} s): {step.doc}"
