"""Documents of artifacts: one for each path, and GridFS's two for the bytes.

An upload first enters its content among the ``leftovers`` of its path, with the time at which it
may be removed. Publishing it swaps it with the current content in one atomic write. So each content
is at all times either the current one of a path or a leftover, and :mod:`.sweep` finds the latter.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict
from uuid import UUID

from service.stores.mongo.client import Document, now

ARTIFACTS = "artifacts"
FILES = "artifacts.files"
CHUNKS = "artifacts.chunks"
CHUNK_BYTES = 1_048_576  # with GridFS's 255 KiB an upload took twice as long (measured)

# A slower upload is refused, so that its content is surely unpublished when it is removed.
UPLOAD_TIME = timedelta(hours=6)
UPLOAD_KEPT = timedelta(hours=24)
# A reader of a content that is replaced or deleted meanwhile has so long to come to its end.
READERS_TIME = timedelta(minutes=15)
# A chunk may arrive so long after its upload was given up, because a call on MongoDB was detached.
LATE_WRITES = timedelta(minutes=1)
# The ``remove_at`` of a leftover whose removal has begun; it can no longer be published.
CONDEMNED = datetime(1970, 1, 1, tzinfo=UTC)


class Leftover(TypedDict):
    """A content that is not, or no longer, the current one; it may be removed from a time on."""

    file_id: UUID
    remove_at: datetime


class ArtifactDocument(TypedDict, total=False):
    """One path of a run or logged model; without ``file_id`` it holds no file now.

    ``length`` is in bytes, ``sha256`` hexadecimal.
    """

    _id: UUID
    kind: str
    experiment_id: UUID
    owner_id: UUID
    path: str
    file_id: UUID | None
    length: int
    sha256: str
    created_at: datetime
    updated_at: datetime
    leftovers: list[Leftover]


class FileDocument(TypedDict):
    """GridFS's document of one content; ``length`` is in bytes."""

    _id: UUID
    length: int
    chunkSize: int
    uploadDate: datetime
    filename: str
    metadata: dict[str, Any]


def leftover(file_id: UUID | str, remove_at: datetime) -> Leftover:
    """Return a leftover; in an update ``file_id`` is an expression such as ``$file_id``."""
    return {"file_id": file_id, "remove_at": remove_at}  # type: ignore[typeddict-item] # see above


def swap_in(file_id: UUID, length: int, sha256: str) -> list[Document]:
    """Return the update that makes a leftover the current content, and the current one a leftover.

    A pipeline's expressions see the document as it was before the update.
    """
    moment = now()
    others = {"$filter": {"input": "$leftovers", "cond": {"$ne": ["$$this.file_id", file_id]}}}
    is_new = {"$eq": ["$file_id", None]}
    values = {
        "file_id": file_id,
        "length": length,
        "sha256": {"$literal": sha256},
        "created_at": {"$cond": [is_new, moment, "$created_at"]},
        "updated_at": moment,
        "leftovers": {"$concatArrays": [others, _current(moment + READERS_TIME)]},
    }
    return [{"$set": values}]


def take_out() -> list[Document]:
    """Return the update that makes the current content a leftover, so that the path is empty."""
    added = _current(now() + READERS_TIME)
    values = {"file_id": None, "leftovers": {"$concatArrays": ["$leftovers", added]}}
    return [{"$set": values}]


def condemn_due() -> list[Document]:
    """Return the update after which what is due is to be removed; a current content never is.

    An upload that was given up while its publishing was in doubt may be both.
    """
    others = {"$filter": {"input": "$leftovers", "cond": {"$ne": ["$$this.file_id", "$file_id"]}}}
    is_due = {"$lte": ["$$this.remove_at", now()]}
    condemned = {
        "file_id": "$$this.file_id",
        "remove_at": {"$cond": [is_due, CONDEMNED, "$$this.remove_at"]},
    }
    return [{"$set": {"leftovers": {"$map": {"input": others, "in": condemned}}}}]


def condemn_all() -> list[Document]:
    """Return the update after which all contents of a path, also uploads, are to be removed now."""
    old = {
        "$map": {
            "input": "$leftovers",
            "in": {"file_id": "$$this.file_id", "remove_at": CONDEMNED},
        }
    }
    values = {"file_id": None, "leftovers": {"$concatArrays": [old, _current(CONDEMNED)]}}
    return [{"$set": values}]


def _current(remove_at: datetime) -> Document:
    """Return the expression of the current content as a list of leftovers, empty without one."""
    return {"$cond": [{"$eq": ["$file_id", None]}, [], [leftover("$file_id", remove_at)]]}
