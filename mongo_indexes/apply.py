"""Carries a plan out under the lock, step by step, and says what was done and what was not."""

from collections.abc import Callable, Sequence
from typing import Any

from pymongo.database import Database
from pymongo.errors import PyMongoError

from mongo_indexes.collections import COLLECTIONS
from mongo_indexes.declare import Collection
from mongo_indexes.execute import Refused, perform, said
from mongo_indexes.exit_codes import ExitCode
from mongo_indexes.lock import LEASE_SECONDS, Lease, LeaseLost, lease
from mongo_indexes.server import plan
from mongo_indexes.step import Step

Document = dict[str, Any]
Tell = Callable[[str], None]

WAIT_SECONDS = 30.0
"""Longer than a lease, so that a runner that died is outlived."""


class ApplyStopped(Exception):
    """A step could not be taken: `done` was done, `failed` and `left` were not.

    `code` is how the process should end. Run again after the cure.
    """

    def __init__(
        self, code: ExitCode, detail: str, done: list[Step], failed: Step, left: list[Step]
    ) -> None:
        super().__init__(f"{failed.kind} {failed.target}: {detail}")
        self.code = code
        self.done = done
        self.failed = failed
        self.left = left


def apply_all(
    database: Database[Document],
    tell: Tell = lambda _: None,
    *,
    collections: Sequence[Collection] = COLLECTIONS,
    prune: bool = False,
    wait: float = WAIT_SECONDS,
    lease_seconds: float = LEASE_SECONDS,
) -> list[Step]:
    """Makes the database what is declared; returns the steps taken, none if nothing was to do.

    `tell` hears a sentence before each step and when the lock has to be waited for. The lock is not
    touched if there is nothing to do. The database's client must not cut a long build short (no
    `timeoutMS`, no `socketTimeoutMS`). Raises LockHeld, ApplyStopped, PyMongoError (unreachable).
    """
    if not _to_do(database, collections, prune):
        return []
    with lease(database, wait=wait, seconds=lease_seconds, tell=tell) as held:
        # Whoever had the lock before may have done it all.
        return _take(database, _to_do(database, collections, prune), held, tell)


def _to_do(
    database: Database[Document], collections: Sequence[Collection], prune: bool
) -> list[Step]:
    return [step for step in plan(database, collections, prune=prune) if step.changes]


def _take(database: Database[Document], steps: list[Step], held: Lease, tell: Tell) -> list[Step]:
    for number, step in enumerate(steps):
        done, left = steps[:number], steps[number + 1 :]
        tell(f"{number + 1}/{len(steps)} {step.kind} {step.target} ({step.risk})")
        try:
            held.confirm()
            perform(database, step)
        except LeaseLost as lost:
            raise ApplyStopped(ExitCode.LOCKED, str(lost), done, step, left) from lost
        except Refused as refused:
            raise ApplyStopped(ExitCode.REFUSED, str(refused), done, step, left) from refused
        except PyMongoError as error:
            raise ApplyStopped(ExitCode.FAILED, said(error), done, step, left) from error
    return steps
