"""Contents in GridFS's format: chunks, and a document with their length.

Motor's GridFS bucket is not used. It holds a connection without a deadline for each of its calls,
buffers 48 MB of an upload, and makes indexes of its own.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from bson.binary import Binary
from pymongo import WriteConcern

from service.core.errors import Unavailable
from service.documents.artifacts.documents import CHUNK_BYTES, CHUNKS, FILES, FileDocument
from service.stores.mongo.client import Document, MongoCollection, MongoStore, now

CALL_CHUNKS = (
    2  # a call; more were no faster, and each transfer holds three times as much (measured)
)
# Between two writes that wait for a majority. Without them, slow secondaries could be gigabytes
# behind at the end of an upload, and its last write would not reach a majority in its deadline.
MAJORITY_CHUNKS = 16
REMOVED_CHUNKS = 64  # a call
PART_BYTES = CALL_CHUNKS * CHUNK_BYTES
TRANSFERS, SLOT_SECONDS = 64, 5.0  # of more than a part, in a process: about 400 MB


class TooManyTransfers(Unavailable):
    store_fails = False
    code, title = "busy", "Too many large files are being sent and received"
    detail = "Repeat the request later."


class Transfers:
    """The slots of large transfers in a process, so that their memory has a bound.

    A request waits a few seconds for a slot, and then gets a 503.
    """

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(TRANSFERS)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a slot; raise TooManyTransfers if none becomes free in time."""
        try:
            async with asyncio.timeout(SLOT_SECONDS):
                await self._slots.acquire()
        except TimeoutError:
            raise TooManyTransfers from None
        try:
            yield
        finally:
            self._slots.release()


class ContentIncomplete(Unavailable):
    """An election or a removal took chunks away."""

    store_fails = False
    code, title = "artifact_incomplete", "Some bytes of the artifact are missing"
    detail = "Repeat the request."


class Contents:
    """The contents of artifacts. Each method makes short calls of its own."""

    def __init__(self, store: MongoStore) -> None:
        self._store = store
        self._files: MongoCollection = store.database[FILES]
        self._chunks: MongoCollection = store.database[CHUNKS]
        # A majority of the last chunk covers those before it; see `complete`.
        quick = WriteConcern(w=1)
        self._quick_chunks = self._chunks.with_options(write_concern=quick)

    async def write(self, file_id: UUID, first: int, chunks: Sequence[bytes]) -> None:
        """Write chunks, the number ``first`` and those that follow it."""
        documents = _documents(file_id, first, chunks)
        chunks_of = self._chunks_from(first)
        await self._store.call(lambda: chunks_of.insert_many(documents, ordered=False), writes=True)

    async def complete(self, file: FileDocument, first: int, chunks: Sequence[bytes]) -> None:
        """Write the last chunks and GridFS's document; a majority then has the whole content.

        The last write waits for a majority and its journal. What the same primary wrote before it
        comes before it in the oplog, so a majority has that as well. If another primary was elected
        in between, earlier chunks may be lost. They are therefore counted as a majority has them,
        and what it has stays.

        Raises:
            ContentIncomplete: chunks are missing.
        """
        documents = _documents(file["_id"], first, chunks)

        async def write() -> int:
            if documents:
                await self._quick_chunks.insert_many(documents, ordered=False)
            await self._files.insert_one(dict(file))
            return await self._chunks.count_documents({"files_id": file["_id"]})

        stored = await self._store.call(write, writes=True)
        if stored != first + len(documents):
            raise ContentIncomplete

    def _chunks_from(self, first: int) -> MongoCollection:
        """Return the collection for chunks from ``first`` on: some writes wait for a majority."""
        waits = first > 0 and first % MAJORITY_CHUNKS == 0
        return self._chunks if waits else self._quick_chunks

    async def read(self, file_id: UUID, begin: int, end: int) -> AsyncGenerator[bytes]:
        """Yield the bytes from ``begin`` to before ``end``; the next are read ahead.

        Raises:
            ContentIncomplete: a chunk is missing, because the artifact was removed meanwhile.
        """
        last = (end - 1) // CHUNK_BYTES
        starts = range(begin // CHUNK_BYTES, last + 1, CALL_CHUNKS)
        ahead: asyncio.Task[list[bytes]] | None = None
        try:
            for start in starts:
                reading = ahead or self._reading(file_id, start, last)
                found = await reading
                following = start + CALL_CHUNKS
                ahead = self._reading(file_id, following, last) if following <= last else None
                for number, chunk in enumerate(found, start):
                    at = number * CHUNK_BYTES
                    yield chunk[max(begin - at, 0) : end - at]
        finally:
            if ahead is not None:
                ahead.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await ahead

    def _reading(self, file_id: UUID, start: int, last: int) -> "asyncio.Task[list[bytes]]":
        stop = min(start + CALL_CHUNKS, last + 1)
        numbers = {"$gte": start, "$lt": stop}

        async def read() -> list[bytes]:
            where, fields = {"files_id": file_id, "n": numbers}, {"_id": 0, "n": 1, "data": 1}
            cursor = self._chunks.find(where, fields, sort=[("n", 1)])
            found = await cursor.to_list(None)
            if [document["n"] for document in found] != list(range(start, stop)):
                raise ContentIncomplete
            return [document["data"] for document in found]

        return asyncio.create_task(self._store.call(read, writes=False))

    async def remove(self, file_id: UUID) -> None:
        """Remove a content; repeating it changes nothing."""
        while await self._store.call(lambda: self._remove_some(file_id), writes=True):
            pass
        await self._store.call(lambda: self._files.delete_one({"_id": file_id}), writes=True)

    async def _remove_some(self, file_id: UUID) -> bool:
        """Remove some chunks, the last ones first; return whether there were any."""
        cursor = self._chunks.find(
            {"files_id": file_id}, {"_id": 0, "n": 1}, sort=[("n", -1)], limit=REMOVED_CHUNKS
        )
        numbers = [document["n"] async for document in cursor]
        if numbers:
            await self._chunks.delete_many({"files_id": file_id, "n": {"$in": numbers}})
        return bool(numbers)


def file_document(file_id: UUID, filename: str, length: int, sha256: str) -> FileDocument:
    """Return GridFS's document of a content; the name is that of the path it was uploaded to."""
    return {
        "_id": file_id,
        "length": length,
        "chunkSize": CHUNK_BYTES,
        "uploadDate": now(),
        "filename": filename,
        "metadata": {"sha256": sha256},
    }


def _documents(file_id: UUID, first: int, chunks: Sequence[bytes]) -> list[Document]:
    return [
        {"files_id": file_id, "n": number, "data": Binary(chunk)}
        for number, chunk in enumerate(chunks, first)
    ]
