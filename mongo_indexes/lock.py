"""One runner at a time: a lease stored as a document in `polystore_locks`.

The server's clock decides (`$$NOW` in the update), so runners whose clocks differ agree. A thread
renews the lease; if its runner is killed, the lease expires by itself.
"""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pymongo import ReturnDocument, WriteConcern
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, PyMongoError

LOCKS = "polystore_locks"
LEASE_SECONDS = 15.0
_ID = "mongo_indexes"
_POLL_SECONDS = 0.25

Document = dict[str, Any]


@dataclass(frozen=True)
class Holder:
    """The runner that has the lock (`host:pid:random`), and since when by the server's clock."""

    owner: str
    since: datetime

    def __str__(self) -> str:
        return f"{self.owner} since {self.since.replace(tzinfo=UTC).isoformat(timespec='seconds')}"


class LockHeld(Exception):
    """Another runner has the lock, and `waited` seconds were not enough."""

    def __init__(self, holder: Holder, waited: float) -> None:
        super().__init__(f"another runner is at work: {holder} (waited {waited:g} s)")
        self.holder = holder


class LeaseLost(Exception):
    """The lease expired or was removed; another runner may have the lock. Change nothing more."""


class Lease:
    """The lock of this runner. Call `renew` before each change."""

    def __init__(self, database: Database[Document], seconds: float) -> None:
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self.seconds = seconds
        # A majority stores it before the runner acts on it, so that a failover cannot lose it.
        majority = WriteConcern("majority")
        self._locks = database.get_collection(LOCKS, write_concern=majority)

    def acquire(self) -> Holder | None:
        """Take the lock if it is free or its lease has expired; return its holder afterwards.

        Return None if another first runner created the document at the same moment: try again.
        """
        until = {"$add": ["$$NOW", int(self.seconds * 1000)]}
        ours = {"_id": _ID, "owner": {"$literal": self.owner}, "since": "$$NOW", "until": until}
        # The field is missing only in the document that this upsert creates.
        free = {"$lte": [{"$ifNull": ["$until", "$$NOW"]}, "$$NOW"]}
        try:
            lock = self._locks.find_one_and_update(
                {"_id": _ID},
                [{"$replaceWith": {"$cond": [free, ours, "$$ROOT"]}}],
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        except DuplicateKeyError:
            return None
        return Holder(lock["owner"], lock["since"]) if lock else None

    def renew(self) -> None:
        """Extend the lease by its full length. Raises LeaseLost."""
        lock = self._locks.find_one_and_update(
            {"_id": _ID, "owner": self.owner},
            [{"$set": {"until": {"$add": ["$$NOW", int(self.seconds * 1000)]}}}],
        )
        if lock is None:
            raise LeaseLost(f"the lease of {self.owner} ran out; another runner may be at work")

    def release(self) -> None:
        """Remove the lock, if this lease still has it."""
        self._locks.delete_one({"_id": _ID, "owner": self.owner})


@contextmanager
def lease(
    database: Database[Document],
    *,
    wait: float,
    seconds: float = LEASE_SECONDS,
    on_progress: Callable[[str], None] = lambda _: None,
) -> Iterator[Lease]:
    """Yield this database's lock, renewed every third of `seconds` by a thread.

    Waits for it up to `wait` seconds, then raises LockHeld.
    """
    lock = Lease(database, seconds)
    _acquire(lock, wait, on_progress)
    done = threading.Event()
    heartbeat = threading.Thread(
        target=_keep_renewing, args=(lock, done), name="lease", daemon=True
    )
    heartbeat.start()
    try:
        yield lock
    finally:
        done.set()
        heartbeat.join()
        with suppress(PyMongoError):  # the lease then expires by itself
            lock.release()


def _acquire(lock: Lease, wait: float, on_progress: Callable[[str], None]) -> None:
    deadline = time.monotonic() + wait
    reported = None
    while True:
        holder = lock.acquire()
        if holder is None:
            continue
        if holder.owner == lock.owner:
            return
        if time.monotonic() >= deadline:
            raise LockHeld(holder, wait)
        if holder != reported:
            on_progress(f"waiting for {holder}")
            reported = holder
        time.sleep(_POLL_SECONDS)


def _keep_renewing(lock: Lease, done: threading.Event) -> None:
    while not done.wait(lock.seconds / 3):
        try:
            lock.renew()
        except LeaseLost:
            return  # the runner's own renewal before its next step raises it there
        except PyMongoError:
            continue  # the next renewal may succeed; if none does, the lease expires
