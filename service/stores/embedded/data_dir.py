"""The data folder: private to its owner, one process at a time, secrets kept in files."""

import json
import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.stores.embedded.errors import DataFolderInUse, EmbeddedError

if sys.platform != "win32":
    import fcntl

LOCK_FILE = "lock"
_held_locks: set[int] = set()


def _drop_locks_in_child() -> None:
    # A forked child shares the lock; it would outlive us in a child that outlives us.
    for descriptor in _held_locks:
        os.close(descriptor)
    _held_locks.clear()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_drop_locks_in_child)


def make_private(folder: Path) -> Path:
    """Create ``folder`` with mode 0700 (or tighten it) and return its absolute path."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = folder.stat().st_uid
        if owner != os.geteuid():
            # As root on somebody's folder we would leave files that they can no longer open.
            raise EmbeddedError(
                f"The data folder {folder} belongs to user {owner} and this is user "
                f"{os.geteuid()}: run as that user, or choose another data folder."
            )
        folder.chmod(0o700)
    except OSError as error:
        raise EmbeddedError(f"The data folder {folder} cannot be used: {error}.") from error
    return folder.resolve()


@contextmanager
def locked(folder: Path) -> Iterator[Path]:
    """Hold the data folder for this process; ``DataFolderInUse`` when another one holds it.

    The lock belongs to an open file, so it vanishes with the process however that ends, and the
    file is closed on exec, so no engine inherits it.
    """
    folder = make_private(folder)
    descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _try_lock(descriptor):
            raise DataFolderInUse(
                f"The data folder {folder} is in use by {_holder(descriptor)}. Stop that one "
                "first, or choose another data folder."
            )
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps({"pid": os.getpid()}).encode())
        _held_locks.add(descriptor)
        yield folder
    finally:
        _held_locks.discard(descriptor)
        os.close(descriptor)


def is_locked(folder: Path) -> bool:
    """Whether some process holds the data folder right now."""
    try:
        descriptor = os.open(folder / LOCK_FILE, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise EmbeddedError(f"The data folder {folder} cannot be read: {error}.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def write_private(path: Path, text: str) -> None:
    """Replace ``path`` by a file of mode 0600, whole or not at all, durable on return."""
    half_made = path.with_name(f"{path.name}.new")
    half_made.unlink(missing_ok=True)
    half_made.touch(mode=0o600, exist_ok=False)
    with half_made.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    half_made.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable (a rename is not until then)."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def kept_secret(path: Path, length: int = 24) -> str:
    """Return the secret kept in ``path``; made of ``length`` random bytes (hex) the first time."""
    if not path.exists():
        write_private(path, secrets.token_hex(length))
    path.chmod(0o600)
    return path.read_text("utf-8").strip()


def _try_lock(descriptor: int) -> bool:
    # is_locked() of a bystander holds a shared lock for microseconds: hence a few tries.
    for _ in range(5):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)
        else:
            return True
    return False


def _holder(descriptor: int) -> str:
    try:
        return f"process {json.loads(os.pread(descriptor, 100, 0))['pid']}"
    except ValueError:
        return "another process"
