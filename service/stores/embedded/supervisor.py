"""A supervisor process: it starts and restarts one engine, and ends with its parent.

Run as a script (``python -I -S supervisor.py``), so it imports only the standard library. It is a
process for three reasons:

* The parent may end in any way. The supervisor sees its control pipe close (or its parent change)
  and stops the engine in order. If the supervisor is killed, the kernel signals the engine
  (PR_SET_PDEATHSIG). That is safe because the supervisor has one thread and forks from it.
* It leads its own session, so Ctrl-C in a terminal does not reach the engine.
* It adopts orphans (PR_SET_CHILD_SUBREAPER). Backends that outlive a killed postmaster become its
  children, so it can end exactly those before it restarts the engine.

It reads one JSON line (``ProcessSpec``); any later input, including end of file, means stop. It
writes one JSON line per event.
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
# The delay of a restart doubles with each death of an unstable engine. There is no last restart,
# because a full disk is emptied after hours. SIGKILL is no fault of the engine.
FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS, LONGEST_AFTER_KILL_SECONDS = 0.1, 10.0, 1.0
STABLE_SECONDS, KILL_SECONDS, LOCK_SECONDS = 10.0, 5.0, 30.0
LAUNCH_FILE = Path(__file__).with_name("launch.py")


class ProcessSpec(TypedDict):
    """The program to run and how to stop it.

    ``stdin`` is written to its standard input. ``lock`` names the file locked while the supervisor
    runs. ``os_user`` is explained in launch.py. ``stop`` lists signals with the seconds to wait
    after each, before SIGKILL. The kernel sends ``orphan_signal`` if the supervisor is killed.
    ``stale`` files are removed before each start. ``restart`` means: start again when it ends.
    """

    command: list[str]
    stdin: str
    cwd: str
    lock: str
    parent: int
    os_user: str | int | None
    stop: list[tuple[int, float]]
    orphan_signal: int
    stale: list[str]
    restart: bool


class Supervisor:
    """Keeps one engine running until it is asked to stop."""

    def __init__(self, spec: ProcessSpec) -> None:
        self.spec = spec
        self.engine: int | None = None
        self.stop_requested = False
        self.deaths, self.started_at = 0, 0.0
        self.wake, writer = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._request_stop)

    def run(self) -> int:
        """Run the engine until a stop, or its end if it is not restarted; return an exit code."""
        self._start()
        due: float | None = None
        while not self._should_stop():
            status = self._reap()
            if status is not None:
                if not self.spec["restart"]:
                    emit("ended", code=os.waitstatus_to_exitcode(status))
                    return 0
                self._end_children()
                due = self._next_start(status)
            if due is not None and time.monotonic() >= due:
                due = None
                self._start()
            self._sleep(TICK_SECONDS if due is None else due - time.monotonic())
        self._stop()
        return 0

    def _request_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stop_requested = True

    def _should_stop(self) -> bool:
        return self.stop_requested or os.getppid() != self.spec["parent"]

    def _sleep(self, seconds: float) -> None:
        readable, _, _ = select.select([0, self.wake], [], [], min(max(seconds, 0), TICK_SECONDS))
        if 0 in readable:
            self.stop_requested = True
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

    def _next_start(self, status: int) -> float:
        """Return the monotonic time of the next start."""
        now, code = time.monotonic(), os.waitstatus_to_exitcode(status)
        emit("died", code=code)
        self.deaths = 1 if now - self.started_at >= STABLE_SECONDS else self.deaths + 1
        return now + delay(self.deaths, killed=code == -signal.SIGKILL)

    def _start(self) -> None:
        self.started_at = time.monotonic()
        launch = {
            "command": self.spec["command"],
            "cwd": self.spec["cwd"],
            "os_user": self.spec["os_user"],
            "supervisor": os.getpid(),
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
                (os.POSIX_SPAWN_DUP2, 2, 1),  # the supervisor's standard error is the log
            ],
            # Python ignores SIGPIPE, and an ignored signal stays ignored across exec.
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
        )
        os.close(reader)
        with contextlib.suppress(BrokenPipeError):  # it ended without reading: see its exit code
            os.write(writer, self.spec["stdin"].encode())
        os.close(writer)
        emit("started", pid=self.engine)

    def _stop(self) -> None:
        for number, seconds in [*self.spec["stop"], (signal.SIGKILL, KILL_SECONDS)]:
            if self.engine is None:
                break
            os.kill(self.engine, number)
            # Stopped processes (SIGSTOP) do not handle the signal before they continue.
            for process in (self.engine, *children_of(self.engine)):
                _signal(process, signal.SIGCONT)
            deadline = time.monotonic() + seconds
            while self._reap() is None and time.monotonic() < deadline:
                select.select([self.wake], [], [], 0.05)
                _drain(self.wake)
        self._end_children()

    def _end_children(self) -> None:
        """Kill the children of the dead engine; the supervisor has adopted all of them."""
        deadline = time.monotonic() + KILL_SECONDS
        while (left := children_of(os.getpid())) and time.monotonic() < deadline:
            for process in left:
                _signal(process, signal.SIGKILL)
            self._reap()
            time.sleep(0.005)


def delay(deaths: int, *, killed: bool) -> float:
    """Return the seconds until the next start after so many deaths in a row."""
    doubled = FIRST_DELAY_SECONDS * 2.0 ** min(deaths - 2, 32) if deaths > 1 else 0.0
    return min(doubled, LONGEST_AFTER_KILL_SECONDS if killed else LONGEST_DELAY_SECONDS)


def emit(event: str, **details: int) -> None:
    """Write one event for the parent, which may have ended."""
    with contextlib.suppress(BrokenPipeError):
        os.write(1, json.dumps({"event": event, **details}).encode() + b"\n")


def children_of(parent: int) -> list[int]:
    """Return the direct children of a process, read from /proc (none without /proc)."""
    children = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        if int(fields[1]) == parent:
            children.append(int(stat.parent.name))
    return children


def _signal(process: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def _drain(descriptor: int) -> None:
    with contextlib.suppress(BlockingIOError):
        os.read(descriptor, 512)


def acquire_lock(path: str, parent: int) -> bool:
    """Lock the engine's folder; wait while an earlier supervisor stops its engine.

    The descriptor stays open (and locked) until this process ends; it is closed on exec.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
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
    """Supervise the engine described by the first line of standard input."""
    line = bytearray()
    while not line.endswith(b"\n"):
        # Byte by byte, because buffered input would not wake up select() later.
        if not (byte := os.read(0, 1)):
            return 1
        line += byte
    spec: ProcessSpec = json.loads(line)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if not acquire_lock(spec["lock"], spec["parent"]):
        emit("busy")
        return 1
    return Supervisor(spec).run()


if __name__ == "__main__":
    sys.exit(main())
