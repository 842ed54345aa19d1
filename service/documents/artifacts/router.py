"""Routes of the artifacts of runs and logged models."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from service.auth.caller import needs
from service.documents.artifacts.conditions import Conditions
from service.documents.artifacts.contents import ContentIncomplete
from service.documents.artifacts.download import BYTES, etag_of
from service.documents.artifacts.list_folder import FolderLists, read_artifact
from service.documents.artifacts.owned import Access
from service.documents.artifacts.paths import ArtifactNotFound, BadPath
from service.documents.artifacts.ranges import RangeNotSatisfiable
from service.documents.artifacts.repository import UploadLost
from service.documents.artifacts.schemas import ArtifactEntry, ArtifactQuery, ArtifactRead
from service.documents.artifacts.upload import DigestMismatch
from service.web.lists.pagination import Page
from service.web.openapi import header_references, problems
from service.web.route import Route

# Each part of a file is a call of its own to the store; no slot is held between two of them.
router = APIRouter(tags=["artifacts"], route_class=Route)
_READS, _WRITES = [needs("experiments:read")], [needs("experiments:write")]
_ETAG = header_references("ETag")
_FILE: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_BODY = {
    "requestBody": {
        "required": True,
        "description": "The bytes of the file, of any type.",
        "content": {BYTES: {**_FILE, "example": "loss: 0.25\n"}},
    }
}
_RANGE = {
    "parameters": [
        {
            "name": "Range",
            "in": "header",
            "required": False,
            "description": "One range of bytes, such as `bytes=0-1023` or `bytes=-100`; 206.",
            "schema": {"type": "string"},
        },
        {
            "name": "If-Match",
            "in": "header",
            "required": False,
            "description": "The ETag of the file to read; 412 if it has another.",
            "schema": {"type": "string"},
        },
    ]
}
_DOWNLOAD: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file",
        "content": {BYTES: _FILE},
        "headers": _ETAG,
    },
    206: {"description": "One range of the file", "content": {BYTES: _FILE}, "headers": _ETAG},
    **problems(ArtifactNotFound, BadPath, RangeNotSatisfiable, cached=True, if_match=True),
}
_UPLOAD: dict[int | str, dict[str, Any]] = {
    200: {"headers": _ETAG},
    **problems(
        ArtifactNotFound, BadPath, DigestMismatch, UploadLost, ContentIncomplete, if_match=True
    ),
}
_REMOVAL = problems(ArtifactNotFound, BadPath, if_match=True)


@router.get(
    "/runs/{run_id}/artifacts", dependencies=_READS, responses=problems(ArtifactNotFound, BadPath)
)
async def run_artifacts_list(
    run_id: UUID, query: Annotated[ArtifactQuery, Query()], access: Access, lists: FolderLists
) -> Page[ArtifactEntry]:
    """List the files and folders of a folder of a run."""
    return await lists.page(await access.of("run", run_id), query)


@router.get(
    "/runs/{run_id}/artifacts/{path:text}",
    dependencies=_READS,
    response_class=Response,
    responses=_DOWNLOAD,
    openapi_extra=_RANGE,
)
async def run_artifacts_get(run_id: UUID, path: str, access: Access) -> Response:
    """Download a file of a run, or a range of it.

    The response has the SHA-256 as its ETag and as `Repr-Digest`.
    """
    return await (await access.of("run", run_id)).respond(path)


@router.put(
    "/runs/{run_id}/artifacts/{path:text}",
    dependencies=_WRITES,
    responses=_UPLOAD,
    openapi_extra=_BODY,
)
async def run_artifacts_put(
    run_id: UUID, path: str, access: Access, conditions: Conditions, response: Response
) -> ArtifactRead:
    """Upload a file of a run; it replaces the one of the same path as a whole.

    With `Content-Digest: sha-256=:…:` (RFC 9530) a body with another digest is refused.
    """
    stored = await (await access.of("run", run_id, writes=True)).put(path, conditions)
    response.headers["ETag"] = etag_of(stored)
    return read_artifact(stored)


@router.delete(
    "/runs/{run_id}/artifacts/{path:text}",
    status_code=204,
    dependencies=_WRITES,
    responses=_REMOVAL,
)
async def run_artifacts_delete(
    run_id: UUID, path: str, access: Access, conditions: Conditions
) -> None:
    """Delete a file of a run, or a folder with all files in it."""
    await (await access.of("run", run_id, writes=True)).remove(path, conditions)


@router.get(
    "/logged_models/{logged_model_id}/artifacts",
    dependencies=_READS,
    responses=problems(ArtifactNotFound, BadPath),
)
async def logged_model_artifacts_list(
    logged_model_id: UUID,
    query: Annotated[ArtifactQuery, Query()],
    access: Access,
    lists: FolderLists,
) -> Page[ArtifactEntry]:
    """List the files and folders of a folder of a logged model."""
    return await lists.page(await access.of("model", logged_model_id), query)


@router.get(
    "/logged_models/{logged_model_id}/artifacts/{path:text}",
    dependencies=_READS,
    response_class=Response,
    responses=_DOWNLOAD,
    openapi_extra=_RANGE,
)
async def logged_model_artifacts_get(logged_model_id: UUID, path: str, access: Access) -> Response:
    """Download a file of a logged model, or a range of it.

    The response has the SHA-256 as its ETag and as `Repr-Digest`.
    """
    return await (await access.of("model", logged_model_id)).respond(path)


@router.put(
    "/logged_models/{logged_model_id}/artifacts/{path:text}",
    dependencies=_WRITES,
    responses=_UPLOAD,
    openapi_extra=_BODY,
)
async def logged_model_artifacts_put(
    logged_model_id: UUID, path: str, access: Access, conditions: Conditions, response: Response
) -> ArtifactRead:
    """Upload a file of a logged model; it replaces the one of the same path as a whole.

    With `Content-Digest: sha-256=:…:` (RFC 9530) a body with another digest is refused.
    """
    stored = await (await access.of("model", logged_model_id, writes=True)).put(path, conditions)
    response.headers["ETag"] = etag_of(stored)
    return read_artifact(stored)


@router.delete(
    "/logged_models/{logged_model_id}/artifacts/{path:text}",
    status_code=204,
    dependencies=_WRITES,
    responses=_REMOVAL,
)
async def logged_model_artifacts_delete(
    logged_model_id: UUID, path: str, access: Access, conditions: Conditions
) -> None:
    """Delete a file of a logged model, or a folder with all files in it."""
    await (await access.of("model", logged_model_id, writes=True)).remove(path, conditions)
