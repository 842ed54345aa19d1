"""Artifacts of one owner, of a caller who may see or change them."""

from collections.abc import AsyncGenerator
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Response

from service.auth.artifact_owners import ArtifactKind, ArtifactOwners, ArtifactRoot
from service.core.errors import PreconditionFailed
from service.documents.artifacts.contents import Contents
from service.documents.artifacts.documents import ArtifactDocument
from service.documents.artifacts.download import etag_of, respond
from service.documents.artifacts.paths import (
    SCHEME,
    ArtifactNotFound,
    check_folder,
    check_path,
    root_uri,
)
from service.documents.artifacts.repository import ArtifactRepository, Child
from service.documents.artifacts.upload import Upload
from service.stores.mongo.client import Document
from service.stores.mongo.context import MongoContext, MongoService
from service.web.conditional import NotModified, matches_etag, matches_strongly

NO_CONDITION: Document = {}


class OwnedArtifacts:
    """The artifacts of a run or logged model, for a request that may reach them.

    ``uri`` is where MLflow's clients keep them, which may be another store.
    """

    def __init__(
        self, context: MongoContext, root: ArtifactRoot, location: str | None = None
    ) -> None:
        self.root, self._context = root, context
        self.uri = root_uri(root, location)
        self._artifacts = ArtifactRepository(context.store, root)
        self._contents = Contents(context.store)

    async def respond(self, path: str) -> Response:
        """Return the response with a file, or with what the request wants of it.

        Raises:
            ArtifactNotFound: there is no such file.
            PreconditionFailed: the file is another than If-Match wants.
            NotModified: the caller's copy is the same.
            RangeNotSatisfiable: no byte of the file is in the range.
        """
        request = self._context.request
        artifact = await self._artifacts.get(check_path(path))
        wanted = request.headers.get("if-match", "*")
        if not matches_strongly(wanted, etag_of(artifact)):
            raise PreconditionFailed
        known = request.headers.get("if-none-match")
        if known is not None and matches_etag(known, etag_of(artifact)):
            raise NotModified(etag_of(artifact))
        return respond(request, self._contents, artifact)

    async def put(self, path: str, condition: Document = NO_CONDITION) -> ArtifactDocument:
        """Store the body of the request; raises as :meth:`Upload.run` does."""
        folder = root_uri(self.root).removeprefix(f"{SCHEME}/")
        name = f"{folder}/{check_path(path)}"
        upload = Upload(self._context.request, self._contents, self._artifacts, name)
        allowed = partial(_require, self._context, self.root, writes=True)
        return await upload.run(path, condition, allowed)

    async def remove(self, path: str, condition: Document = NO_CONDITION) -> None:
        """Remove a file, or a folder with all in it.

        Raises:
            ArtifactNotFound: there is neither.
            PreconditionFailed: the file does not match ``condition``.
        """
        try:
            await self._artifacts.remove(check_path(path), condition)
        except ArtifactNotFound:
            if condition or not await self._artifacts.remove_below(path):
                raise
        else:
            if not condition:
                await self._artifacts.remove_below(path)

    async def remove_all(self, folder: str) -> None:
        """Remove a file or folder if there is one; the empty path is everything."""
        if not folder:
            await self._artifacts.remove_below("")
            return
        try:
            await self.remove(folder)
        except ArtifactNotFound:
            return

    def children(self, folder: str, start: str = "") -> AsyncGenerator[Child]:
        """Yield the files and folders of a folder; see :meth:`ArtifactRepository.children`."""
        return self._artifacts.children(check_folder(folder), start)


class ArtifactAccess(MongoService):
    """Finds the artifacts of an owner for the caller; PostgreSQL has a deadline of its own."""

    async def below(self, root: ArtifactRoot, *, writes: bool = False) -> OwnedArtifacts:
        """Return the artifacts of a root; raises as :meth:`ArtifactOwners.require` does."""
        await _require(self._context, root, writes=writes)
        return OwnedArtifacts(self._context, root)

    async def of(self, kind: ArtifactKind, key: UUID, *, writes: bool = False) -> OwnedArtifacts:
        """Return the artifacts of a run or logged model; raises as the owners do."""
        found = await _owners(self._context.request).find(self._caller, kind, key)
        if writes:
            await _require(self._context, found.root, writes=True)
        return OwnedArtifacts(self._context, *found)


def _owners(request: Request) -> ArtifactOwners:
    owners: ArtifactOwners = request.state.artifact_owners
    return owners


async def _require(context: MongoContext, root: ArtifactRoot, *, writes: bool) -> None:
    await _owners(context.request).require(context.caller, root, writes=writes)


Access = Annotated[ArtifactAccess, Depends(ArtifactAccess.from_request)]
