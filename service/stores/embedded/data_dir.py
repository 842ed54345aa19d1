"""The data folder: private to its owner, used by one process at a time, with secrets in files."""

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
_open_locks: set[int] = set()


def _close_locks_in_child() -> None:
    # A forked child shares the lock and could hold it longer than this process.
    for descriptor in _open_locks:
        os.close(descriptor)
    _open_locks.clear()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_close_locks_in_child)


def make_private(folder: Path) -> Path:
    """Create ``folder`` with mode 0700, or restrict it to that, and return its absolute path.

    Raises:
        EmbeddedError: it cannot be created, or belongs to another user.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = folder.stat().st_uid
        if owner != os.geteuid():
            # Root would create files there that the owner cannot open.
            raise EmbeddedError(
                f"The data folder {folder} belongs to user {owner} and this is user "
                f"{os.geteuid()}. Run as that user, or choose another data folder."
            )
        folder.chmod(0o700)
    except OSError as error:
        raise EmbeddedError(f"The data folder {folder} cannot be used: {error}.") from error
    return folder.resolve()


@contextmanager
def locked(folder: Path) -> Iterator[Path]:
    """Lock the data folder for this process.

    The lock belongs to an open file, so it ends with the process in any case. The file is closed
    on exec, so no engine inherits the lock.

    Raises:
        DataFolderInUse: another process has locked it.
    """
    folder = make_private(folder)
    descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _try_lock(descriptor):
            raise DataFolderInUse(
                f"The data folder {folder} is in use by {_lock_owner(descriptor)}. Stop that one "
                "first, or choose another data folder."
            )
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps({"pid": os.getpid()}).encode())
        _open_locks.add(descriptor)
        yield folder
    finally:
        _open_locks.discard(descriptor)
        os.close(descriptor)


def is_locked(folder: Path) -> bool:
    """Return whether a process has locked the data folder.

    Raises:
        EmbeddedError: the folder cannot be read.
    """
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
    """Replace ``path`` atomically by a file of mode 0600, durable on return."""
    incomplete = path.with_name(f"{path.name}.new")
    incomplete.unlink(missing_ok=True)
    incomplete.touch(mode=0o600, exist_ok=False)
    with incomplete.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    incomplete.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable, because a rename alone is not."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def stored_secret(path: Path, length: int = 24) -> str:
    """Return the hex secret stored in ``path``; the first call makes it of ``length`` bytes."""
    if not path.exists():
        write_private(path, secrets.token_hex(length))
    path.chmod(0o600)
    return path.read_text("utf-8").strip()


def _try_lock(descriptor: int) -> bool:
    # Several tries, because is_locked() of another process takes a shared lock for microseconds.
    for _ in range(5):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)
        else:
            return True
    return False


def _lock_owner(descriptor: int) -> str:
    try:
        return f"process {json.loads(os.pread(descriptor, 100, 0))['pid']}"
    except ValueError:
        return "another process"
