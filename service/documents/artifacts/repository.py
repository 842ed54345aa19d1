"""Artifacts in MongoDB: paths, and which content each has."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from functools import partial
from typing import NamedTuple, cast
from uuid import UUID

from pymongo import ReturnDocument
from uuid_utils.compat import uuid7

from service.auth.artifact_owners import ArtifactRoot
from service.core.errors import PreconditionFailed, Unavailable
from service.documents.artifacts.documents import (
    ARTIFACTS,
    CONDEMNED,
    LATE_WRITES,
    UPLOAD_KEPT,
    ArtifactDocument,
    leftover,
    swap_in,
    take_out,
)
from service.documents.artifacts.paths import ArtifactNotFound, after, range_below
from service.stores.mongo.client import Document, MongoCollection, MongoStore, now

BATCH = 200  # paths a call


class UploadLost(Unavailable):
    store_fails = False
    code, title = "upload_lost", "Upload was removed before its end"
    detail = "Send the file again, and faster; or its run was purged."


class Child(NamedTuple):
    """A file of a folder, or a folder in it, which has no document; ``name`` has no slash."""

    name: str
    key: str  # its path, with a slash at its end if it is a folder
    file: ArtifactDocument | None


class ArtifactRepository:
    """The paths of one run or logged model; each method makes short calls of its own."""

    def __init__(self, store: MongoStore, root: ArtifactRoot) -> None:
        self._store, self._root = store, root
        self._artifacts: MongoCollection = store.database[ARTIFACTS]

    async def get(self, path: str) -> ArtifactDocument:
        """Return the file of a path; raise ArtifactNotFound."""
        found = await self._read({**self._is(path), "file_id": {"$ne": None}})
        if found is None:
            raise ArtifactNotFound
        return found

    async def announce(self, path: str, file_id: UUID) -> None:
        """Enter an upload among the leftovers of its path, before its first chunk is written."""
        await self._add_leftover(path, file_id, UPLOAD_KEPT)

    async def check(self, path: str, condition: Document) -> None:
        """Raise PreconditionFailed if the document of an announced path does not match."""
        if condition and await self._read({"$and": [self._is(path), condition]}) is None:
            raise PreconditionFailed

    async def publish(
        self, path: str, file_id: UUID, length: int, sha256: str, condition: Document
    ) -> ArtifactDocument:
        """Make an announced upload the current content of its path, in one atomic write.

        Raises:
            PreconditionFailed: the document does not match ``condition``.
            UploadLost: the upload is being removed, or was.
        """
        match = {"file_id": file_id, "remove_at": {"$gt": CONDEMNED}}
        announced = {**self._is(path), "leftovers": {"$elemMatch": match}}
        where = {"$and": [announced, condition]}
        update = swap_in(file_id, length, sha256)

        published = await self._store.call(
            lambda: self._artifacts.find_one_and_update(
                where, update, return_document=ReturnDocument.AFTER
            ),
            writes=True,
        )
        if published is not None:
            return cast("ArtifactDocument", published)
        raise UploadLost if await self._read(announced) is None else PreconditionFailed

    async def give_up(self, path: str, file_id: UUID) -> None:
        """Let an upload that was not published be removed soon; a published one stays.

        It may be announced no longer: then a late chunk would be left over.
        """
        announced = {**self._is(path), "leftovers.file_id": file_id}
        soon = {"$set": {"leftovers.$.remove_at": now() + LATE_WRITES}}
        changed = await self._store.call(
            lambda: self._artifacts.update_one(announced, soon), writes=True
        )
        if not changed.matched_count:
            published = await self._read({**self._is(path), "file_id": file_id})
            if published is None:
                await self._add_leftover(path, file_id, LATE_WRITES)

    async def remove(self, path: str, condition: Document) -> None:
        """Remove the file of a path.

        Raises:
            ArtifactNotFound: there is none.
            PreconditionFailed: the document does not match ``condition``.
        """
        where = {**self._is(path), "file_id": {"$ne": None}}
        found = {"$and": [where, condition]}
        result = await self._store.call(
            lambda: self._artifacts.update_one(found, take_out()), writes=True
        )
        if not result.matched_count:
            raise ArtifactNotFound if await self._read(where) is None else PreconditionFailed

    async def remove_below(self, folder: str) -> int:
        """Remove all files below a folder; return their number. An empty name is everything."""
        removed = 0
        while True:
            keys = await self._store.call(lambda: self._keys_below(folder), writes=False)
            if not keys:
                return removed
            where = {"_id": {"$in": keys}, "file_id": {"$ne": None}}
            result = await self._store.call(
                partial(self._artifacts.update_many, where, take_out()), writes=True
            )
            removed += result.modified_count

    async def children(self, folder: str, start: str = "") -> AsyncGenerator[Child]:
        """Yield the files and folders of a folder, from behind the child with the key ``start`` on.

        Of a folder only its first paths are read: the next call begins behind all of them.
        """
        depth = len(folder) + 1 if folder else 0
        while True:
            bounds = range_below(folder) | (_behind(start) if start else {})
            found = await self._store.call(partial(self._files, bounds), writes=False)
            for file in found:
                name, slash, _ = file["path"][depth:].partition("/")
                key = file["path"][: depth + len(name)] + slash
                if key != start:
                    start = key
                    yield Child(name, key, None if slash else file)
            if len(found) < BATCH:
                return

    async def _files(self, bounds: Document) -> list[ArtifactDocument]:
        where = {"owner_id": self._root.owner_id, "path": bounds, "file_id": {"$ne": None}}
        fields = {"path": 1, "length": 1, "sha256": 1, "updated_at": 1}
        cursor = self._artifacts.find(where, fields, sort=[("path", 1)], limit=BATCH)
        return await cursor.to_list(None)  # type: ignore[return-value] # as kept

    async def _keys_below(self, folder: str) -> list[UUID]:
        paths = range_below(folder)
        where = {"owner_id": self._root.owner_id, "path": paths, "file_id": {"$ne": None}}
        cursor = self._artifacts.find(where, {"_id": 1}, limit=BATCH)
        return [document["_id"] async for document in cursor]

    async def _read(self, where: Document) -> ArtifactDocument | None:
        found = await self._store.call(lambda: self._artifacts.find_one(where), writes=False)
        return cast("ArtifactDocument | None", found)

    async def _add_leftover(self, path: str, file_id: UUID, kept: timedelta) -> None:
        root, where = self._root, self._is(path)
        created = {
            "_id": uuid7(),
            "kind": root.kind,
            "experiment_id": root.experiment_id,
            "file_id": None,
        }
        added = {"leftovers": leftover(file_id, now() + kept)}
        update = {"$push": added, "$setOnInsert": created}
        await self._store.call(
            lambda: self._artifacts.update_one(where, update, upsert=True), writes=True
        )

    def _is(self, path: str) -> Document:
        return {"owner_id": self._root.owner_id, "path": path}


def _behind(key: str) -> dict[str, str]:
    """Return the lower bound of the paths behind a child of a folder."""
    return {"$gte": after(key[:-1])} if key.endswith("/") else {"$gt": key, "$gte": key}
