"""A lease in MongoDB: of all processes, one holds it and does the background work.

It is a document in `polystore_locks`, as that of the index manager, whose clock and rules it has:
the server's clock decides (`$$NOW`), and a majority stores it. The holder renews it; the lease of a
killed holder expires by itself, and another process takes over.
"""

import os
import secrets
import socket
import time

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from mongo_indexes.lock import LEASE_SECONDS, LOCKS, LeaseLost
from service.stores.mongo.client import Document, MongoCollection, MongoStore

__all__ = ["LEASE_SECONDS", "Lease", "LeaseLost"]


class Lease:
    """The lease ``name``, as one process sees it."""

    def __init__(self, mongo: MongoStore, name: str, seconds: float = LEASE_SECONDS) -> None:
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self.seconds = seconds
        self._mongo, self._name = mongo, name
        self._until = 0.0  # by this process's clock, counted from before the request

    async def hold(self) -> bool:
        """Take the lease if it is free, or extend it if it is ours; return whether it is ours.

        Raises:
            Unavailable: MongoDB is down or hangs. Until its end the lease stays ours.
        """
        began = time.monotonic()
        acquired = await self._mongo.call(self._take, writes=True)
        self._until = began + self.seconds if acquired else 0.0
        return acquired

    @property
    def is_ours(self) -> bool:
        """Whether no other process can have the lease."""
        return time.monotonic() < self._until

    def check(self) -> None:
        """Raise LeaseLost once another process may have the lease."""
        if not self.is_ours:
            raise LeaseLost(f"the lease of {self.owner} ran out; another process may be at work")

    async def release(self) -> None:
        """Give the lease to others, if it is ours."""
        self._until = 0.0
        ours = {"_id": self._name, "owner": self.owner}
        await self._mongo.call(lambda: self._locks.delete_one(ours), writes=True)

    @property
    def _locks(self) -> MongoCollection:
        return self._mongo.database[LOCKS]

    def _taking(self) -> list[Document]:
        """Return the update that replaces a free lease, or our own, and leaves that of another."""
        owner = {"$literal": self.owner}
        until = {"$add": ["$$NOW", int(self.seconds * 1000)]}
        is_ours = {"$eq": ["$owner", owner]}
        # The field is missing only in the document that this upsert creates.
        is_free = {"$lte": [{"$ifNull": ["$until", "$$NOW"]}, "$$NOW"]}
        since = {"$cond": [is_ours, "$since", "$$NOW"]}
        ours = {"_id": self._name, "owner": owner, "since": since, "until": until}
        return [{"$replaceWith": {"$cond": [{"$or": [is_ours, is_free]}, ours, "$$ROOT"]}}]

    async def _take(self) -> bool:
        try:
            lock: Document | None = await self._locks.find_one_and_update(
                {"_id": self._name},
                self._taking(),
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        except DuplicateKeyError:  # another process created the document at the same moment
            return False
        return lock is not None and lock["owner"] == self.owner
