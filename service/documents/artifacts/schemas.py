"""Schemas of artifacts: ours, and those of MLflow."""

from typing import Literal

from pydantic import Field

from service.web.lists.pagination import ListQuery
from service.web.mlflow.messages import MlflowRequest, MlflowResponse
from service.web.schemas import Moment, ResponseModel


class ArtifactRead(ResponseModel):
    """A file. ``size`` is in bytes, ``sha256`` hexadecimal; its ETag is the latter in quotes."""

    path: str
    size: int
    sha256: str
    content_type: str
    created_at: Moment
    updated_at: Moment


class ArtifactEntry(ResponseModel):
    """A file of a folder, or a folder in it; a folder has neither size nor time."""

    path: str
    is_folder: bool
    size: int | None
    sha256: str | None
    updated_at: Moment | None


class ArtifactQuery(ListQuery):
    """Query of the files and folders of one folder, in the order of their paths' bytes."""

    sort: Literal["path"] = Field("path", description="folders sort as if a slash ended them")
    count: Literal["none"] = Field("none", description="folders are found, not counted")
    path: str = Field("", description="the folder, such as `model/data`; absent: everything")


class FolderPath(MlflowRequest):
    path: str = ""


class RunArtifactsList(MlflowRequest):
    run_id: str = ""
    run_uuid: str = ""
    path: str = ""


class ModelArtifactsList(MlflowRequest):
    artifact_directory_path: str = ""


class FileInfo(MlflowResponse):
    """A file or a folder; an empty file has no size, as on MLflow's server."""

    path: str
    is_dir: bool
    file_size: int | None = None


class FileList(MlflowResponse):
    """Files of a folder; ``root_uri`` is that of the run or logged model, where it was named."""

    root_uri: str | None = None
    files: list[FileInfo] | None = None
