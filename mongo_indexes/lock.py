"""One runner at a time: a lease kept as a document in `polystore_locks`.

The server's clock decides (`$$NOW` in the update), so runners whose clocks differ agree. A thread
renews the lease; when its holder dies, the lease runs out by itself.
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
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, PyMongoError

LOCKS = "polystore_locks"
LEASE_SECONDS = 15.0
_ID = "mongo_indexes"
_POLL_SECONDS = 0.25

Document = dict[str, Any]


@dataclass(frozen=True)
class Holder:
    """Who holds the lock (`host:pid:random`) and since when, by the server's clock."""

    owner: str
    since: datetime

    def __str__(self) -> str:
        return f"{self.owner} since {self.since.replace(tzinfo=UTC).isoformat(timespec='seconds')}"


class LockHeld(Exception):
    """Another runner held the lock for as long as we were willing to wait."""

    def __init__(self, holder: Holder, waited: float) -> None:
        super().__init__(f"another runner is at work: {holder} (waited {waited:g} s)")
        self.holder = holder


class LeaseLost(Exception):
    """Our lease ran out and is another's, or was removed. Nothing more may be changed."""


class Lease:
    """The lock in our hands. `confirm` before each change."""

    def __init__(self, database: Database[Document], seconds: float) -> None:
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self.seconds = seconds
        # A majority has it before we act on it: a failover cannot forget it.
        self._locks: Collection[Document] = database.get_collection(
            LOCKS, write_concern=WriteConcern("majority")
        )

    def take(self) -> Holder | None:
        """Takes the lock if it is free or its lease ran out. Returns who holds it afterwards.

        None, too, if another first runner made the document at the same moment: try again.
        """
        until = {"$add": ["$$NOW", int(self.seconds * 1000)]}
        ours = {"_id": _ID, "owner": {"$literal": self.owner}, "since": "$$NOW", "until": until}
        # Where the field is missing, the document is just being made by this upsert.
        free = {"$lte": [{"$ifNull": ["$until", "$$NOW"]}, "$$NOW"]}
        try:
            found = self._locks.find_one_and_update(
                {"_id": _ID},
                [{"$replaceWith": {"$cond": [free, ours, "$$ROOT"]}}],
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        except DuplicateKeyError:
            return None
        return Holder(found["owner"], found["since"]) if found else None

    def confirm(self) -> None:
        """Renews the lease. Raises LeaseLost if it is no longer ours."""
        found = self._locks.find_one_and_update(
            {"_id": _ID, "owner": self.owner},
            [{"$set": {"until": {"$add": ["$$NOW", int(self.seconds * 1000)]}}}],
        )
        if found is None:
            raise LeaseLost(f"the lease of {self.owner} ran out, and somebody else may be at work")

    def give_back(self) -> None:
        """Frees the lock, if it is still ours."""
        self._locks.delete_one({"_id": _ID, "owner": self.owner})


@contextmanager
def lease(
    database: Database[Document],
    *,
    wait: float,
    seconds: float = LEASE_SECONDS,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[Lease]:
    """Holds the lock of this database, renewed every third of `seconds`.

    Waits up to `wait` seconds for it, then raises LockHeld.
    """
    held = Lease(database, seconds)
    _wait_for(held, wait, tell)
    done = threading.Event()
    heartbeat = threading.Thread(target=_renew, args=(held, done), name="lease", daemon=True)
    heartbeat.start()
    try:
        yield held
    finally:
        done.set()
        heartbeat.join()
        with suppress(PyMongoError):  # then it runs out by itself
            held.give_back()


def _wait_for(held: Lease, wait: float, tell: Callable[[str], None]) -> None:
    deadline = time.monotonic() + wait
    told = None
    while True:
        holder = held.take()
        if holder is None:
            continue
        if holder.owner == held.owner:
            return
        if time.monotonic() >= deadline:
            raise LockHeld(holder, wait)
        if holder != told:
            tell(f"waiting for {holder}")
            told = holder
        time.sleep(_POLL_SECONDS)


def _renew(held: Lease, done: threading.Event) -> None:
    while not done.wait(held.seconds / 3):
        try:
            held.confirm()
        except LeaseLost:
            return  # the runner learns it before its next step
        except PyMongoError:
            continue  # perhaps the next one gets through; if none does, the lease runs out
