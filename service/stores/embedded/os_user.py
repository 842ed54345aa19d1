"""The operating system's user that runs PostgreSQL, which refuses to run as root."""

import os
import pwd
from collections.abc import Callable
from pathlib import Path

from service.stores.embedded.launch import NAMESPACE

OsUser = str | int | None
_OVERFLOW_USER = 65534


def choose_os_user(data: Path, works: Callable[[OsUser], bool]) -> tuple[bool, OsUser]:
    """Return whether a user ``works``, and which one (None: this process is not root).

    Root prefers a user namespace, because the files stay root's. Where namespaces are forbidden,
    ``nobody`` becomes the owner of the data and remains so, because later runs would otherwise
    change the owner back and forth.
    """
    if os.geteuid() != 0:
        return True, None
    owner = data.stat().st_uid if data.exists() else 0
    if owner == 0 and works(NAMESPACE):
        return True, NAMESPACE
    os_user = owner or _unprivileged_user()
    if not works(os_user):
        return False, None
    if data.exists() and owner != os_user:
        _change_owner(data, os_user)
    return True, os_user


def _unprivileged_user() -> int:
    try:
        return pwd.getpwnam("nobody").pw_uid
    except KeyError:
        return _OVERFLOW_USER


def _change_owner(data: Path, os_user: int) -> None:
    # The folder itself last: its owner shows whether the change was completed.
    for path in [*data.rglob("*"), data]:
        os.chown(path, os_user, os_user, follow_symlinks=False)
