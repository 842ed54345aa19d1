"""Files of runs and logged models, streamed from the source's addresses of artifacts to ours."""

from typing import Any
from urllib.parse import quote, urlsplit

import httpx2

from service.cli.load_mlflow.copying import Copying
from service.cli.load_mlflow.server import FILES, Refused

SCHEME = "mlflow-artifacts"


def is_served(root: str) -> bool:
    """Return whether the server itself has the files."""
    return root.startswith(f"{SCHEME}:")


def copy_files(copying: Copying, source: str, target: str, name: str) -> None:
    """Copy all files below a root that are not here with the same size."""
    roots = _path(source), _path(target)
    folders = [""]
    while folders:
        folder = folders.pop()
        here = {one["path"]: one for one in _files(copying.target, roots[1], folder)}
        for file in _files(copying.source, roots[0], folder):
            below = f"{folder}{file['path']}"
            if file.get("is_dir"):
                folders.append(f"{below}/")
                continue
            copying.outcome.found.update(files=1, bytes=_size(file))
            same = here.get(file["path"])
            if same and not same.get("is_dir") and _size(same) == _size(file):
                continue
            try:
                _copy(copying, f"{roots[0]}/{below}", f"{roots[1]}/{below}")
            except Refused as refusal:
                copying.outcome.leave_out(f"file {below} of {name}", refusal)


def _path(root: str) -> str:
    return urlsplit(root).path.strip("/")


def _size(file: dict[str, Any]) -> int:
    return int(file.get("file_size", 0))


def _files(server: Any, root: str, folder: str) -> list[dict[str, Any]]:
    found = server.find(FILES, path=f"{root}/{folder}".rstrip("/"))
    return found.get("files", []) if found else []


def _copy(copying: Copying, source: str, target: str) -> None:
    """Send the pieces on as they arrive; the service keeps no file that was cut off."""
    server, size = copying.source, 0
    try:
        with server.http.stream("GET", f"{FILES}/{quote(source)}") as answer:
            if answer.is_error:
                answer.read()
            server.check(answer)
            pieces = answer.iter_bytes()
            copying.target.send("PUT", f"{FILES}/{quote(target)}", content=pieces)
            size = answer.num_bytes_downloaded
    except httpx2.TransportError as error:
        raise server.stopped(type(error).__name__) from error
    copying.outcome.new["files"] += 1
    copying.outcome.new["bytes"] += size
