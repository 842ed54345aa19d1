"""MLflow's addresses of artifacts; its own documents describe them."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Response

from service.auth.caller import needs
from service.core.errors import ServiceError
from service.documents.artifacts.list_folder import mlflow_list
from service.documents.artifacts.owned import Access
from service.documents.artifacts.paths import (
    ArtifactNotFound,
    check_folder,
    read_id,
    split_path,
)
from service.documents.artifacts.schemas import (
    FileList,
    FolderPath,
    ModelArtifactsList,
    RunArtifactsList,
)
from service.web.mlflow.messages import request_of
from service.web.route import Route


class NoMultipart(ServiceError):
    status, code, title = 501, "no_multipart", "Files are not sent in several parts"
    detail = "PUT the whole file at once; its size does not matter."


class _ArtifactRoute(Route):
    ignores_parameters = True

    def __init__(self, path: str, endpoint: Any, **options: Any) -> None:
        options |= {"include_in_schema": False, "response_model_exclude_none": True}
        super().__init__(path, endpoint, **options)


router = APIRouter(prefix="/2.0", route_class=_ArtifactRoute)
root_router = APIRouter(route_class=_ArtifactRoute)  # `/get-artifact`
_READS, _WRITES = [needs("experiments:read")], [needs("experiments:write")]
_FILES = "/mlflow-artifacts/artifacts"


@router.get(_FILES, dependencies=_READS)
async def mlflow_artifacts_list(
    wanted: Annotated[FolderPath, request_of(FolderPath)], access: Access
) -> FileList:
    """List a folder by base names; a file, and what is no folder, have no files."""
    try:
        root, folder = split_path(wanted.path)
    except ArtifactNotFound:  # above all roots, where nothing is anybody's
        return FileList()
    return await mlflow_list(await access.below(root), folder, whole_paths=False)


@router.get(f"{_FILES}/{{path:text}}", dependencies=_READS, response_class=Response)
async def mlflow_artifacts_get(path: str, access: Access) -> Response:
    """Download a file, or a range of it."""
    root, below = split_path(path)
    return await (await access.below(root)).respond(_file(below))


@router.put(f"{_FILES}/{{path:text}}", dependencies=_WRITES)
async def mlflow_artifacts_put(path: str, access: Access) -> dict[str, str]:
    """Upload a file."""
    root, below = split_path(path)
    await (await access.below(root, writes=True)).put(_file(below))
    return {}


@router.delete(f"{_FILES}/{{path:text}}", dependencies=_WRITES)
async def mlflow_artifacts_delete(path: str, access: Access) -> dict[str, str]:
    """Delete a file or a folder, if there is one."""
    root, below = split_path(path)
    await (await access.below(root, writes=True)).remove_all(below)
    return {}


@router.get("/mlflow/artifacts/list", dependencies=_READS)
async def mlflow_run_artifacts_list(
    wanted: Annotated[RunArtifactsList, request_of(RunArtifactsList)], access: Access
) -> FileList:
    """List a folder of a run by paths below the run's root."""
    artifacts = await access.of("run", read_id(wanted.run_id or wanted.run_uuid))
    return await mlflow_list(artifacts, check_folder(wanted.path), whole_paths=True)


@router.get("/mlflow/logged-models/{model_id}/artifacts/directories", dependencies=_READS)
async def mlflow_model_artifacts_list(
    model_id: str,
    wanted: Annotated[ModelArtifactsList, request_of(ModelArtifactsList)],
    access: Access,
) -> FileList:
    """List a folder of a logged model by paths below the model's root."""
    artifacts = await access.of("model", _model_id(model_id))
    folder = check_folder(wanted.artifact_directory_path)
    return await mlflow_list(artifacts, folder, whole_paths=True)


@root_router.get("/get-artifact", dependencies=_READS, response_class=Response)
async def mlflow_get_artifact(
    wanted: Annotated[RunArtifactsList, request_of(RunArtifactsList)], access: Access
) -> Response:
    """Download a file of a run, as MLflow's pages do."""
    artifacts = await access.of("run", read_id(wanted.run_id or wanted.run_uuid))
    return await artifacts.respond(_file(wanted.path))


@router.api_route("/mlflow-artifacts/mpu/{rest:text}", methods=["POST"], dependencies=_WRITES)
@router.api_route(
    "/mlflow-artifacts/presigned/{rest:text}", methods=["GET", "POST"], dependencies=_READS
)
async def mlflow_multipart(rest: str) -> dict[str, str]:  # noqa: ARG001 - it is part of the path
    """Refuse multipart transfers, so that clients send whole files."""
    raise NoMultipart


def _model_id(text: str) -> UUID:
    if not text.startswith("m-"):
        raise ArtifactNotFound
    return read_id(text.removeprefix("m-"))


def _file(path: str) -> str:
    """Return the path of a file; the root is none."""
    if not path:
        raise ArtifactNotFound
    return path
