"""As whom PostgreSQL runs when we are root, which it refuses to be."""

import os
import pwd
from collections.abc import Callable
from pathlib import Path

from service.stores.embedded.launch import NAMESPACE

Account = str | int | None
_OVERFLOW_USER = 65534


def choose_account(data: Path, works: Callable[[Account], bool]) -> tuple[bool, Account]:
    """Return whether there is an account that ``works``, and which (None: we are not root).

    First choice as root is a user namespace: the files stay root's. Where those are forbidden the
    data is handed to ``nobody`` and stays with it, so that later runs do not move it to and fro.
    """
    if os.geteuid() != 0:
        return True, None
    owner = data.stat().st_uid if data.exists() else 0
    if owner == 0 and works(NAMESPACE):
        return True, NAMESPACE
    account = owner or _nobody()
    if not works(account):
        return False, None
    if data.exists() and owner != account:
        _hand_over(data, account)
    return True, account


def _nobody() -> int:
    try:
        return pwd.getpwnam("nobody").pw_uid
    except KeyError:
        return _OVERFLOW_USER


def _hand_over(data: Path, account: int) -> None:
    # The top last: its owner is what says whether the hand-over was finished.
    for path in [*data.rglob("*"), data]:
        os.chown(path, account, account, follow_symlinks=False)
