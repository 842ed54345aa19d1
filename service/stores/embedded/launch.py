"""Turn a new process into the engine, as the right user and with a death signal.

The supervisor runs it as a script (``python -I -S launch.py JSON``), so it imports only the
standard library. It is a separate process because the user, the namespace and the death signal
must change between fork and exec, and a process with threads may run no code there.

PostgreSQL refuses to run as root. For root there are two ways, see ``switch_user``.
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
ORPHAN_SECONDS = 5.0


class Launch(TypedDict):
    """The engine to start. ``os_user`` is None (no change), "namespace", or a user id.

    ``stale`` files are removed once no process of ``command`` runs in ``cwd``.
    """

    command: list[str]
    cwd: str
    os_user: str | int | None
    supervisor: int
    orphan_signal: int
    stale: list[str]


def end_orphans(folder: Path, program: str, stale: list[str]) -> None:
    """End engines that a killed supervisor left in the folder, and remove their ``stale`` files.

    The kernel has already signalled them, so they get 5 s before SIGKILL; a PostgreSQL backend in
    the middle of a long query reacts late. The supervisor has locked the folder, so no other
    engine may run here.
    """
    deadline = time.monotonic() + ORPHAN_SECONDS
    while left := processes_in(folder, program):
        if time.monotonic() > deadline:
            for process in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        time.sleep(0.02)
    for name in stale:
        Path(name).unlink(missing_ok=True)


def processes_in(folder: Path, program: str) -> list[int]:
    """Return the processes of ``program`` working in ``folder`` (none without /proc)."""
    processes = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            here = (process / "cwd").readlink() == folder
            if here and (process / "exe").readlink().name == program:
                processes.append(int(process.name))
        except OSError:
            continue  # it has ended, or belongs to another user
    return processes


def switch_user(os_user: str | int | None) -> None:
    """Become a user other than root that can still open root's files.

    "namespace" enters a new user namespace without a map: for the kernel the process still owns
    root's files, for itself it is the overflow user. Containers often forbid it. A user id changes
    to that user and keeps the right to enter root's folders (CAP_DAC_OVERRIDE) if root has it.

    Raises:
        OSError: the kernel forbids it.
    """
    if os_user is None:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if os_user == NAMESPACE:
        if libc.unshare(CLONE_NEWUSER) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"no user namespace: {os.strerror(number)}")
        return
    libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(int(os_user), int(os_user), int(os_user))
    os.setresuid(int(os_user), int(os_user), int(os_user))
    header = struct.pack("Ii", CAPABILITY_VERSION_3, 0)
    mask = 1 << CAP_DAC_OVERRIDE
    # This fails where root lacks it; then the folders' modes must let the user in.
    libc.capset(header, struct.pack("6I", mask, mask, mask, 0, 0, 0))
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def set_death_signal(supervisor: int, number: int) -> None:
    """Have the kernel send signal ``number`` when the supervisor ends; exit if it already has."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != supervisor:
        sys.exit("the supervisor ended before its engine started")


def main() -> NoReturn:
    """Execute the engine described by the first argument."""
    launch: Launch = json.loads(sys.argv[1])
    command = launch["command"]
    try:
        os.umask(0o077)
        os.chdir(launch["cwd"])
        end_orphans(Path(launch["cwd"]), Path(command[0]).name, launch["stale"])
        switch_user(launch["os_user"])
        # After the change of user, which clears the death signal.
        set_death_signal(launch["supervisor"], launch["orphan_signal"])
        os.execv(command[0], command)  # noqa: S606  the purpose of this script
    except OSError as error:
        sys.stderr.write(f"cannot start {command[0]}: {error}\n")
        sys.exit(CANNOT_START)


if __name__ == "__main__":
    main()
