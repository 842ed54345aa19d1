"""Executing a plan under the lock, step by step, and reporting which steps were done."""

from collections.abc import Callable, Sequence
from typing import Any

from pymongo.database import Database
from pymongo.errors import PyMongoError

from mongo_indexes.collections import COLLECTIONS
from mongo_indexes.declare import CollectionSpec
from mongo_indexes.execute import StepRefused, error_message, execute
from mongo_indexes.exit_codes import ExitCode
from mongo_indexes.lock import LEASE_SECONDS, Lease, LeaseLost, lease
from mongo_indexes.server import plan
from mongo_indexes.step import Kind, Step

Document = dict[str, Any]
OnProgress = Callable[[str], None]

WAIT_SECONDS = 30.0
"""Longer than a lease, so that the lease of a killed runner ends while another waits for it."""


class ApplyStopped(Exception):
    """A step failed: the steps `done` were done, `failed` and `left` were not.

    `code` is the exit code for the process. After the cause is mended, apply can run again.
    """

    def __init__(
        self, code: ExitCode, detail: str, done: list[Step], failed: Step, left: list[Step]
    ) -> None:
        super().__init__(f"{failed.kind} {failed.target}: {detail}")
        self.code = code
        self.done = done
        self.failed = failed
        self.left = left


class ApplyRefused(Exception):
    """Some collections cannot become what is declared, so that no step was done on any.

    `refused` are the steps with the reasons, `left` those that apply would have done.
    """

    def __init__(self, refused: list[Step], left: list[Step]) -> None:
        reasons = [f"{step.target} {step.reason}" for step in refused]
        super().__init__("\n".join(["nothing was changed, because", *reasons]))
        self.refused = refused
        self.left = left


def apply_all(
    database: Database[Document],
    on_progress: OnProgress = lambda _: None,
    *,
    collections: Sequence[CollectionSpec] = COLLECTIONS,
    prune: bool = False,
    wait: float = WAIT_SECONDS,
    lease_seconds: float = LEASE_SECONDS,
) -> list[Step]:
    """Change the database into what is declared; return the steps that were done.

    `on_progress` receives a line before each step, and one while waiting for the lock. The lock is
    not taken if no step is to be done. The database's client must not end a long build early (no
    `timeoutMS`, no `socketTimeoutMS`). Raises LockHeld, ApplyRefused, ApplyStopped, PyMongoError
    (unreachable).
    """
    if not changes(database, collections, prune):
        return []
    with lease(database, wait=wait, seconds=lease_seconds, on_progress=on_progress) as lock:
        # Plan again: the previous holder of the lock may have done all of it.
        return _execute(database, changes(database, collections, prune), lock, on_progress)


def changes(
    database: Database[Document], collections: Sequence[CollectionSpec], prune: bool
) -> list[Step]:
    """Return the steps that are to be done. Raises ApplyRefused, PyMongoError."""
    steps = plan(database, collections, prune=prune)
    to_do = [step for step in steps if step.changes]
    refused = [step for step in steps if step.kind is Kind.REFUSE]
    if refused:
        raise ApplyRefused(refused, to_do)
    return to_do


def _execute(
    database: Database[Document], steps: list[Step], lock: Lease, on_progress: OnProgress
) -> list[Step]:
    for number, step in enumerate(steps):
        done, left = steps[:number], steps[number + 1 :]
        on_progress(f"{number + 1}/{len(steps)} {step.kind} {step.target} ({step.risk})")
        try:
            lock.renew()
            execute(database, step)
        except LeaseLost as error:
            raise ApplyStopped(ExitCode.LOCKED, str(error), done, step, left) from error
        except StepRefused as error:
            raise ApplyStopped(ExitCode.REFUSED, str(error), done, step, left) from error
        except PyMongoError as error:
            raise ApplyStopped(ExitCode.FAILED, error_message(error), done, step, left) from error
    return steps
