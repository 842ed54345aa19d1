"""Lists of folders: pages of ours, and MLflow's whole lists."""

from contextlib import aclosing
from typing import Annotated

from fastapi import Depends

from service.core.errors import BadRequest
from service.documents.artifacts.documents import ArtifactDocument
from service.documents.artifacts.download import content_type
from service.documents.artifacts.owned import OwnedArtifacts
from service.documents.artifacts.paths import check_folder
from service.documents.artifacts.repository import Child
from service.documents.artifacts.schemas import (
    ArtifactEntry,
    ArtifactQuery,
    ArtifactRead,
    FileInfo,
    FileList,
)
from service.stores.mongo.context import MongoService
from service.web.lists.cursors import Cursor
from service.web.lists.pagination import Page

MAX_LISTED = 20_000  # of a folder in one answer, which is about 2 MB


class FolderTooLarge(BadRequest):
    """MLflow's clients read no second page, so a part would be taken for the whole."""

    code, title = "folder_too_large", "Folder has too many entries for one answer"
    detail = f"List folders of more than {MAX_LISTED} entries below /v1, in pages."


class FolderList(MongoService):
    """Lists the files and folders of one folder."""

    async def page(self, artifacts: OwnedArtifacts, query: ArtifactQuery) -> Page[ArtifactEntry]:
        """Return one page; an unknown folder is an empty one.

        Raises:
            BadCursor: the cursor belongs to another list.
        """
        folder, position = check_folder(query.path), self._paginator.position(query)
        start = "" if position is None else position.values[0]
        found: list[Child] = []
        async with aclosing(artifacts.children(folder, start)) as children:
            async for child in children:
                found.append(child)
                if len(found) > query.size:
                    break
        shown, last = query.split_page(found)
        items = [_entry(folder, child) for child in shown]
        end = last and Cursor((last.key,), artifacts.root.owner_id)
        return self._paginator.page(query, items, end, None)


async def mlflow_list(artifacts: OwnedArtifacts, folder: str, *, whole_paths: bool) -> FileList:
    """Return all files and folders of a folder, by name; raise FolderTooLarge.

    Paths are base names, or else ``whole_paths`` below the root, which is then named too.
    """
    prefix = f"{folder}/" if whole_paths and folder else ""
    files = list[FileInfo]()
    async with aclosing(artifacts.children(folder)) as children:
        async for child in children:
            size = (child.file and child.file["length"]) or None
            is_folder = child.file is None
            files.append(FileInfo(path=f"{prefix}{child.name}", is_dir=is_folder, file_size=size))
            if len(files) > MAX_LISTED:
                raise FolderTooLarge
    files.sort(key=lambda file: file.path)
    return FileList(root_uri=artifacts.uri if whole_paths else None, files=files or None)


def read_artifact(artifact: ArtifactDocument) -> ArtifactRead:
    """Return a file as it is answered."""
    return ArtifactRead(
        path=artifact["path"],
        size=artifact["length"],
        sha256=artifact["sha256"],
        content_type=content_type(artifact["path"]),
        created_at=artifact["created_at"],
        updated_at=artifact["updated_at"],
    )


def _entry(folder: str, child: Child) -> ArtifactEntry:
    file = child.file
    return ArtifactEntry(
        path=f"{folder}/{child.name}" if folder else child.name,
        is_folder=file is None,
        size=file and file["length"],
        sha256=file and file["sha256"],
        updated_at=file and file["updated_at"],
    )


FolderLists = Annotated[FolderList, Depends(FolderList.from_request)]
