"""Background jobs: remove contents that no path has, and all artifacts of purged owners.

Each step can be repeated. A content is condemned first, so that no upload publishes it any more;
then its bytes are removed; the entry that names it is removed last.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from uuid import UUID

import structlog

from service.auth.artifact_owners import ArtifactRemovals, ArtifactRoot
from service.core.errors import Unavailable
from service.documents.artifacts.contents import Contents
from service.documents.artifacts.documents import ARTIFACTS, CONDEMNED, condemn_all, condemn_due
from service.stores.mongo.client import Document, MongoCollection, MongoStore, now
from service.stores.mongo.lease import Lease

BATCH = 100
# An upload that was allowed before the purge has written all and is published, or has ended, within
# 25 seconds: it asks again every 20, see RECHECK_SECONDS, and its last calls have a deadline.
SETTLE_TIME = timedelta(seconds=60)
ROOTS = 1000  # at once
log = structlog.get_logger("service.documents.artifacts")


class ArtifactSweep:
    """Removes contents that were replaced or deleted a while ago, and uploads that came to none."""

    name = "artifact_sweep"

    def __init__(self, mongo: MongoStore) -> None:
        self._mongo, self._contents = mongo, Contents(mongo)
        self._artifacts: MongoCollection = mongo.database[ARTIFACTS]

    async def run(self, lease: Lease) -> None:
        """Remove what is due.

        Raises:
            LeaseLost: another process may do it.
            Unavailable: MongoDB does not respond; what was removed stays so.
        """
        while True:
            due = {"leftovers.remove_at": {"$lte": now()}}
            keys = await self._mongo.call(partial(self._keys, due), writes=False)
            for key in keys:
                lease.check()
                await self._update({"_id": key}, condemn_due())
                await self.clear(key)
            if len(keys) < BATCH:
                return

    async def empty(self, root: ArtifactRoot, lease: Lease) -> None:
        """Remove all artifacts of an owner, and its uploads under way; raises as :meth:`run`."""
        while True:
            where = {"owner_id": root.owner_id}
            keys = await self._mongo.call(partial(self._keys, where), writes=False)
            for key in keys:
                lease.check()
                await self._update({"_id": key}, condemn_all())
                await self.clear(key)
            if not keys:
                return

    async def clear(self, key: UUID) -> None:
        """Remove the condemned contents of a path, and its document if nothing is left."""
        document = await self._mongo.call(
            lambda: self._artifacts.find_one({"_id": key}), writes=False
        )
        if document is None:
            return
        condemned = [
            item["file_id"]
            for item in document["leftovers"]
            if item["remove_at"] <= CONDEMNED and item["file_id"] != document["file_id"]
        ]
        for file_id in condemned:
            await self._contents.remove(file_id)
        removed = {"leftovers": {"file_id": {"$in": condemned}}}
        await self._update({"_id": key}, {"$pull": removed})
        is_empty: Document = {"_id": key, "file_id": None, "leftovers": []}
        await self._mongo.call(lambda: self._artifacts.delete_one(is_empty), writes=True)

    async def _update(self, where: Document, update: Document | list[Document]) -> None:
        await self._mongo.call(lambda: self._artifacts.update_one(where, update), writes=True)

    async def _keys(self, where: Document) -> list[UUID]:
        cursor = self._artifacts.find(where, {"_id": 1}, limit=BATCH)
        return [document["_id"] async for document in cursor]


class ArtifactPurge:
    """Removes the artifacts of runs and logged models that were purged in PostgreSQL.

    An upload may have been allowed just before the purge. Therefore an owner is emptied after
    SETTLE_TIME, before PostgreSQL may forget it.
    """

    name = "artifact_purge"

    def __init__(
        self, mongo: MongoStore, removals: ArtifactRemovals, *, settle_time: timedelta = SETTLE_TIME
    ) -> None:
        self._sweep, self._removals = ArtifactSweep(mongo), removals
        self._settle_time = settle_time

    async def run(self, lease: Lease) -> None:
        """Remove the artifacts of owners that are pending; one that fails does not stop others.

        Raises:
            LeaseLost: another process may do it.
            Unavailable: a store does not respond; what was removed stays so.
        """
        while True:
            roots = await self._removals.pending(ROOTS, self._settle_time)
            emptied, failure = await self._empty(roots, lease)
            if emptied:
                lease.check()
                await self._removals.done(emptied)
                log.info("artifacts of purged owners removed", owners=len(emptied))
            if len(roots) < ROOTS or not emptied:
                break
        if failure is not None:
            raise failure

    async def _empty(
        self, roots: Sequence[ArtifactRoot], lease: Lease
    ) -> tuple[list[ArtifactRoot], Unavailable | None]:
        """Return the roots that are empty, and the last failure."""
        emptied, failure = list[ArtifactRoot](), None
        for root in roots:
            try:
                await self._sweep.empty(root, lease)
                emptied.append(root)
            except Unavailable as error:
                failure = error
        return emptied, failure
