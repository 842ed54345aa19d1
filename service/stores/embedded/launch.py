"""Turns a fresh process into the engine: a clear place, the right user, dead with the guard.

Run as a script by the guard (``python -I -S launch.py JSON``), so only the standard library. It is
a process of its own because what it changes (user, namespace, death signal) must happen after the
fork and before the exec, and no code may run between those two in a process with threads.

PostgreSQL refuses to run as root. As root we therefore have two ways, see ``become``.
"""

import contextlib
import ctypes
import json
import os
import signal
import struct
import sys
import time
from pathlib import Path
from typing import NoReturn, TypedDict

NAMESPACE = "namespace"
CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 8, 47, 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522
CANNOT_START = 126
PATIENCE_SECONDS = 5.0


class Launch(TypedDict):
    """What to become. ``account`` is None (stay who we are), "namespace", or a user id.

    ``stale`` are files to remove, once nothing of ours runs in ``cwd`` any more.
    """

    command: list[str]
    cwd: str
    account: str | int | None
    guard: int
    orphan_signal: int
    stale: list[str]


def clear_the_place(folder: Path, program: str, stale: list[str]) -> None:
    """End engines that an earlier guard left in the folder when it was killed, and their traces.

    The kernel has told them to end, so they get time; a PostgreSQL backend in the middle of a long
    query does not look up. Our guard holds the folder's lock: nobody else rightly runs here.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left := processes_in(folder, program):
        if time.monotonic() > deadline:
            for process in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        time.sleep(0.02)
    for name in stale:
        Path(name).unlink(missing_ok=True)


def processes_in(folder: Path, program: str) -> list[int]:
    """Processes of ``program`` working in ``folder`` (none where there is no /proc)."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            here = (process / "cwd").readlink() == folder
            if here and (process / "exe").readlink().name == program:
                found.append(int(process.name))
        except OSError:
            continue  # ended, or not ours to look at
    return found


def become(account: str | int | None) -> None:
    """Become somebody who is not root, yet may open root's files; OSError where that is forbidden.

    "namespace": a new user namespace without a map. To the kernel we still own root's files, to
    ourselves we are the overflow user. Containers often forbid it. A user id: that user, who keeps
    the right to pass root-only folders (CAP_DAC_OVERRIDE) where root itself has it.
    """
    if account is None:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if account == NAMESPACE:
        if libc.unshare(CLONE_NEWUSER) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"no user namespace: {os.strerror(number)}")
        return
    libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(int(account), int(account), int(account))
    os.setresuid(int(account), int(account), int(account))
    header = struct.pack("Ii", CAPABILITY_VERSION_3, 0)
    mask = 1 << CAP_DAC_OVERRIDE
    # Refused where root lacks it; then the folders must let the user in by themselves.
    libc.capset(header, struct.pack("6I", mask, mask, mask, 0, 0, 0))
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def die_with(guard: int, number: int) -> None:
    """Have the kernel send us signal ``number`` when the guard ends; leave at once if it has."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != guard:
        sys.exit("the guard ended before its engine began")


def main() -> NoReturn:
    """Become the engine that the first argument describes."""
    launch: Launch = json.loads(sys.argv[1])
    command = launch["command"]
    try:
        os.umask(0o077)
        os.chdir(launch["cwd"])
        clear_the_place(Path(launch["cwd"]), Path(command[0]).name, launch["stale"])
        become(launch["account"])
        # After the change of user, which clears the death signal.
        die_with(launch["guard"], launch["orphan_signal"])
        os.execv(command[0], command)  # noqa: S606  the point of this script
    except OSError as error:
        sys.stderr.write(f"cannot start {command[0]}: {error}\n")
        sys.exit(CANNOT_START)


if __name__ == "__main__":
    main()
