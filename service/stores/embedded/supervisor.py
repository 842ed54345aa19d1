"""The guard: a tiny process of its own that starts one engine, restarts it, and never outlives us.

Run as a script (``python -I -S guard.py``), so only the standard library. Why a process:

* The parent may end in any way. The guard sees its control pipe close (or its parent change) and
  stops the engine in order. Should the guard itself be killed, the kernel signals the engine
  (PR_SET_PDEATHSIG); that is safe here, because the guard has one thread and forks from it.
* It leads a session of its own, so Ctrl-C in a terminal does not reach the engine.
* It adopts orphans (PR_SET_CHILD_SUBREAPER): backends that outlive a killed postmaster become its
  children, so it can end exactly those before it starts the engine again.

It reads one JSON line (``Spec``); anything after that, end of file too, means: stop. It writes one
JSON line per event.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import TypedDict

PR_SET_CHILD_SUBREAPER = 36
TICK_SECONDS = 0.2
MAX_DEATHS, WINDOW_SECONDS = 8, 10.0
BACK_OFF_SECONDS = (0.0, 0.1, 0.2, 0.4, 0.8, 1.0)
KILL_SECONDS = 5.0
LOCK_SECONDS = 30.0
LAUNCH_FILE = Path(__file__).with_name("launch.py")


class Spec(TypedDict):
    """What to run and how to end it.

    ``feed`` goes to its standard input; ``lock`` is held while we run; ``account`` is explained in
    launch.py; ``stop`` lists signals with the seconds to wait after each, before SIGKILL;
    ``orphan_signal`` is what the kernel sends should the guard be killed; ``stale`` files
    are removed before each start; ``keep`` means: start again when it ends.
    """

    command: list[str]
    feed: str
    cwd: str
    lock: str
    parent: int
    account: str | int | None
    stop: list[tuple[int, float]]
    orphan_signal: int
    stale: list[str]
    keep: bool


class Guard:
    """Keeps one engine running until told to stop."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.engine: int | None = None
        self.asked_to_stop = False
        self.deaths: list[tuple[float, int]] = []
        self.wake, writer = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._ask_to_stop)

    def run(self) -> int:
        """Run the engine until told to stop, until it ends (``keep`` false), or we give up."""
        self._start()
        due: float | None = None
        while not self._must_stop():
            status = self._reap()
            if status is not None:
                if not self.spec["keep"]:
                    tell("ended", code=os.waitstatus_to_exitcode(status))
                    return 0
                self._end_children()
                due = self._next_start(status)
                if due is None:
                    return 1
            if due is not None and time.monotonic() >= due:
                due = None
                self._start()
            self._sleep(TICK_SECONDS if due is None else due - time.monotonic())
        self._stop()
        return 0

    def _ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.asked_to_stop = True

    def _must_stop(self) -> bool:
        return self.asked_to_stop or os.getppid() != self.spec["parent"]

    def _sleep(self, seconds: float) -> None:
        readable, _, _ = select.select([0, self.wake], [], [], min(max(seconds, 0), TICK_SECONDS))
        if 0 in readable:
            self.asked_to_stop = True
        if self.wake in readable:
            _drain(self.wake)

    def _reap(self) -> int | None:
        """Collect ended children, adopted ones too; return the engine's status if it ended."""
        while True:
            try:
                process, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return None
            if process == 0:
                return None
            if process == self.engine:
                self.engine = None
                return status

    def _next_start(self, status: int) -> float | None:
        """When to start again (monotonic), or None when it has died too often to go on."""
        now, code = time.monotonic(), os.waitstatus_to_exitcode(status)
        tell("died", code=code)
        recent = [death for death in self.deaths if now - death[0] < WINDOW_SECONDS]
        self.deaths = [*recent, (now, code)]
        # SIGKILL comes from outside and says nothing about the engine: that delays, no more.
        if sum(code != -signal.SIGKILL for _, code in self.deaths) >= MAX_DEATHS:
            tell("gave up")
            return None
        return now + BACK_OFF_SECONDS[min(len(self.deaths), len(BACK_OFF_SECONDS)) - 1]

    def _start(self) -> None:
        launch = {
            "command": self.spec["command"],
            "cwd": self.spec["cwd"],
            "account": self.spec["account"],
            "guard": os.getpid(),
            "orphan_signal": self.spec["orphan_signal"],
            "stale": self.spec["stale"],
        }
        reader, writer = os.pipe()
        self.engine = os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", str(LAUNCH_FILE), json.dumps(launch)],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, reader, 0),
                (os.POSIX_SPAWN_DUP2, 2, 1),  # our standard error is the log
            ],
            # Python ignores SIGPIPE, and what is ignored stays so across exec.
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
        )
        os.close(reader)
        with contextlib.suppress(BrokenPipeError):  # it ended unread: its exit code tells
            os.write(writer, self.spec["feed"].encode())
        os.close(writer)
        tell("started", pid=self.engine)

    def _stop(self) -> None:
        for number, seconds in [*self.spec["stop"], (signal.SIGKILL, KILL_SECONDS)]:
            if self.engine is None:
                break
            os.kill(self.engine, number)
            # Frozen processes (SIGSTOP) would not hear it.
            for process in (self.engine, *children_of(self.engine)):
                _signal(process, signal.SIGCONT)
            deadline = time.monotonic() + seconds
            while self._reap() is None and time.monotonic() < deadline:
                select.select([self.wake], [], [], 0.05)
                _drain(self.wake)
        self._end_children()

    def _end_children(self) -> None:
        """Kill what the dead engine left behind; all of it is ours by adoption."""
        deadline = time.monotonic() + KILL_SECONDS
        while (left := children_of(os.getpid())) and time.monotonic() < deadline:
            for process in left:
                _signal(process, signal.SIGKILL)
            self._reap()
            time.sleep(0.005)


def tell(event: str, **details: int) -> None:
    """Write one event for the parent, who may be gone."""
    with contextlib.suppress(BrokenPipeError):
        os.write(1, json.dumps({"event": event, **details}).encode() + b"\n")


def children_of(parent: int) -> list[int]:
    """The direct children of a process, from /proc (none where there is no /proc)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        if int(fields[1]) == parent:
            found.append(int(stat.parent.name))
    return found


def _signal(process: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def _drain(descriptor: int) -> None:
    with contextlib.suppress(BlockingIOError):
        os.read(descriptor, 512)


def hold(lock: str, parent: int) -> bool:
    """Take the engine folder's lock; an earlier guard may need a moment to stop its engine.

    The descriptor stays open (and locked) until this process ends; it is closed on exec.
    """
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + LOCK_SECONDS
    while time.monotonic() < deadline and os.getppid() == parent:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)
        else:
            return True
    return False


def main() -> int:
    """Guard the engine that the first line of standard input describes."""
    line = bytearray()
    while not line.endswith(b"\n"):
        # Byte by byte: buffering ahead would hide what we wait for later.
        if not (byte := os.read(0, 1)):
            return 1
        line += byte
    spec: Spec = json.loads(line)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if not hold(spec["lock"], spec["parent"]):
        tell("busy")
        return 1
    return Guard(spec).run()


if __name__ == "__main__":
    sys.exit(main())
