"""Paths of artifacts: which are accepted, and what MLflow's paths say of the owner."""

import re
from urllib.parse import unquote
from uuid import UUID

from service.auth.artifact_owners import DEFAULT_EXPERIMENT_ID, ArtifactKind, ArtifactRoot
from service.core.errors import BadRequest, NotFound, has_surrogate

MAX_PATH_BYTES = 1024  # in UTF-8; S3's limit of a key
SCHEME = "mlflow-artifacts:"
_FORBIDDEN = re.compile(r"[\\#\x00]")
MAX_ROOT_BYTES = 100  # of the part of MLflow's paths that names the owner
_DRIVE = re.compile(r"[A-Za-z]:(?:/|$)")  # `a:b` is a name
_RUN: ArtifactKind = "run"
_MODEL: ArtifactKind = "model"


class BadPath(BadRequest):
    code, title = "bad_artifact_path", "Path of the artifact is not accepted"
    detail = (
        "Send a relative path of at most 1024 bytes, without empty parts, `.`, `..`, a backslash, "
        "`#`, NUL or a drive, also where they are percent-encoded."
    )


class ArtifactNotFound(NotFound):
    code, title = "artifact_not_found", "Artifact does not exist"
    detail = "List the artifacts to see the paths that there are."


def check_path(path: str, *, most: int = MAX_PATH_BYTES) -> str:
    """Return the path of a file or folder if it is accepted.

    A client decodes and joins paths by its own rules. Therefore no path that becomes harmful by
    any number of decodings is stored.

    Raises:
        BadPath: it is not accepted.
    """
    if has_surrogate(path) or len(path.encode()) > most:
        raise BadPath
    decoded, once = path, unquote(path)
    while once != decoded:  # each time it gets shorter
        decoded, once = once, unquote(once)
    parts = decoded.split("/")
    if _FORBIDDEN.search(decoded) or _DRIVE.match(decoded) or {"", ".", ".."}.intersection(parts):
        raise BadPath
    return path


def check_folder(path: str) -> str:
    """Return the path of a folder without a slash at its end; the empty one holds everything.

    Raises:
        BadPath: it is not accepted.
    """
    path = path.removesuffix("/")
    return check_path(path) if path else path


def split_path(path: str) -> tuple[ArtifactRoot, str]:
    """Return the owner that MLflow's path names, and the path below it, which may be empty.

    ``<experiment>/<run>/artifacts/…`` or ``<experiment>/models/<model>/artifacts/…``.

    Raises:
        BadPath: it is not accepted.
        ArtifactNotFound: it names no owner.
    """
    path = path.removesuffix("/")
    if not path:
        raise ArtifactNotFound
    match check_path(path, most=MAX_ROOT_BYTES + MAX_PATH_BYTES).split("/"):
        case [experiment, "models", model, "artifacts", *rest] if model.startswith("m-"):
            kind, owner = _MODEL, read_id(model.removeprefix("m-"))
        case [experiment, run, "artifacts", *rest]:
            kind, owner = _RUN, read_id(run)
        case _:
            raise ArtifactNotFound
    key = DEFAULT_EXPERIMENT_ID if experiment == "0" else read_id(experiment)
    return ArtifactRoot(key, kind, owner), "/".join(rest)


def read_id(text: str) -> UUID:
    """Return the UUID, written as 32 digits or with hyphens; raise ArtifactNotFound if it is none.

    ``UUID()`` alone reads braces and ``urn:uuid:`` too.
    """
    try:
        found = UUID(text)
    except ValueError:
        raise ArtifactNotFound from None
    if text.lower() not in (found.hex, str(found)):
        raise ArtifactNotFound
    return found


def root_uri(root: ArtifactRoot, location: str | None = None) -> str:
    """Return the address of a root as MLflow's clients know it; ``location`` is elsewhere."""
    is_default = root.experiment_id == DEFAULT_EXPERIMENT_ID
    experiment = "0" if is_default else root.experiment_id.hex
    owner = root.owner_id.hex if root.kind == "run" else f"models/m-{root.owner_id.hex}"
    base = location.rstrip("/") if location else f"{SCHEME}/{experiment}"
    return f"{base}/{owner}/artifacts"


def range_below(folder: str) -> dict[str, str]:
    """Return the bounds of the paths below a folder, in the order of their bytes."""
    return {"$gte": f"{folder}/", "$lt": after(folder)} if folder else {"$gte": ""}


def after(folder: str) -> str:
    """Return the first text behind all paths below a folder: ``0`` follows ``/``."""
    return f"{folder}0"
