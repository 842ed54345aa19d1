"""Upload of an artifact: written while it is received, and visible only as a whole."""

import asyncio
import base64
import hashlib
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from uuid import UUID

from fastapi import Request
from uuid_utils.compat import uuid7

from service.core.errors import BadRequest, BodyTooSlow, ServiceError, TooLarge, UnsupportedMedia
from service.documents.artifacts.contents import (
    CALL_CHUNKS,
    PART_BYTES,
    Contents,
    Transfers,
    file_document,
)
from service.documents.artifacts.documents import CHUNK_BYTES, UPLOAD_TIME, ArtifactDocument
from service.documents.artifacts.repository import ArtifactRepository
from service.stores.mongo.client import Document

# Whether the owner still takes writes is asked again every so often. The artifacts of a purged
# owner are removed later than that; see SETTLE_TIME in `sweep.py`.
RECHECK_SECONDS = 20.0
_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")


class DigestMismatch(BadRequest):
    code, title = "digest_mismatch", "Body has another SHA-256 than its header says"
    detail = "Send the file again; nothing was stored."


class Upload:
    """One upload to one path."""

    def __init__(
        self, request: Request, contents: Contents, artifacts: ArtifactRepository, name: str
    ) -> None:
        self._request, self._contents, self._artifacts = request, contents, artifacts
        self._max_bytes: int = request.state.settings.max_artifact_bytes
        self._transfers: Transfers = request.state.artifact_transfers
        self._slot = AsyncExitStack()  # of a large transfer, from the second part on
        self._name = name  # of GridFS's document
        self._sha256, self._length, self._began = hashlib.sha256(), 0, time.monotonic()
        self._asked_at = self._began
        self._writing: asyncio.Task[None]  # the call that runs while the body is received

    async def run(
        self, path: str, condition: Document, still_allowed: Callable[[], Awaitable[None]]
    ) -> ArtifactDocument:
        """Store the body of the request under ``path``, and return the published document.

        It holds two parts of 2 MiB, one being received and one being written.

        Raises:
            DigestMismatch: a digest in the headers is another.
            PreconditionFailed: the document does not match ``condition``.
            TooLarge, BodyTooSlow, UploadLost, ContentIncomplete, TooManyTransfers, Unavailable:
                nothing was stored.
        """
        if "content-encoding" in self._request.headers:
            raise UnsupportedMedia("Send the file uncompressed, or as a compressed file.")
        self._check_length(int(self._request.headers.get("content-length", "0")))
        file_id: UUID = uuid7()
        self._writing = asyncio.create_task(self._announce(path, file_id, condition))
        try:
            return await self._store(path, file_id, condition, still_allowed)
        except BaseException:
            await self._give_up(path, file_id)
            raise

    async def _store(
        self,
        path: str,
        file_id: UUID,
        condition: Document,
        still_allowed: Callable[[], Awaitable[None]],
    ) -> ArtifactDocument:
        async with self._slot:
            first, last_part = await self._receive(file_id, still_allowed)
            self._check_digest()
            await self._recheck(still_allowed)
            file = file_document(file_id, self._name, self._length, self._sha256.hexdigest())
            await self._contents.complete(file, first, _chunks(last_part))
            return await self._artifacts.publish(
                path, file_id, self._length, self._sha256.hexdigest(), condition
            )

    async def _receive(
        self, file_id: UUID, still_allowed: Callable[[], Awaitable[None]]
    ) -> tuple[int, bytes]:
        """Write all parts but the last; return the number of its first chunk, and the part."""
        first, waiting = 0, b""
        async for part in self._parts():
            if waiting:
                if not first:
                    await self._slot.enter_async_context(self._transfers.slot())
                await self._writing
                await self._recheck(still_allowed)
                write = self._contents.write(file_id, first, _chunks(waiting))
                self._writing = asyncio.create_task(write)
                first += CALL_CHUNKS
            waiting = part
        await self._writing
        return first, waiting

    async def _recheck(self, still_allowed: Callable[[], Awaitable[None]]) -> None:
        if time.monotonic() - self._asked_at > RECHECK_SECONDS:
            self._asked_at = time.monotonic()
            await still_allowed()

    async def _announce(self, path: str, file_id: UUID, condition: Document) -> None:
        await self._artifacts.announce(path, file_id)
        await self._artifacts.check(path, condition)

    async def _parts(self) -> AsyncIterator[bytes]:
        """Yield the body in parts of PART_BYTES, the last of which may be shorter."""
        part = bytearray()
        async for piece in self._request.stream():
            self._sha256.update(piece)
            self._length += len(piece)
            self._check_length(self._length)
            if time.monotonic() - self._began > UPLOAD_TIME.total_seconds():
                raise BodyTooSlow(headers={"Connection": "close"})
            part += piece
            while len(part) > PART_BYTES:
                yield bytes(part[:PART_BYTES])
                del part[:PART_BYTES]
        yield bytes(part)

    def _check_length(self, length: int) -> None:
        if length > self._max_bytes:
            raise TooLarge(
                f"Send a file of at most {self._max_bytes} bytes.", headers={"Connection": "close"}
            )

    def _check_digest(self) -> None:
        if _sent_digest(self._request) not in (None, self._sha256.digest()):
            raise DigestMismatch

    async def _give_up(self, path: str, file_id: UUID) -> None:
        """Let what was written be removed; if MongoDB is down, the announcement runs out."""
        with suppress(ServiceError, asyncio.CancelledError):
            await self._writing
        with suppress(ServiceError):
            await self._artifacts.give_up(path, file_id)


def _chunks(part: bytes) -> list[bytes]:
    return [part[at : at + CHUNK_BYTES] for at in range(0, len(part), CHUNK_BYTES)]


def _sent_digest(request: Request) -> bytes | None:
    """Return the SHA-256 of Content-Digest or Repr-Digest (RFC 9530); others are ignored."""
    for name in ("content-digest", "repr-digest"):
        found = _DIGEST.search(request.headers.get(name, ""))
        if found:
            return base64.b64decode(found[1])
    return None
