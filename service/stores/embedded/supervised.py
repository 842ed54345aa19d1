"""The client of a supervisor: start it, relay its events, stop it, replace it when killed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from service.stores.embedded import supervisor

SUPERVISOR_FILE = Path(supervisor.__file__)
STOP_SECONDS = 30.0
QUICK_SECONDS = 1.0
MAX_QUICK_ENDS = 5
_INHERITED_VARIABLES = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")


class SupervisedProcess:
    """A program run by a supervisor.

    A thread of this class calls ``on_event(kind, code)``. The kinds are "started", "ended", "died"
    (with the exit code, negative for a signal), "busy", and "gave up" if supervisors fail.
    """

    def __init__(
        self, spec: supervisor.ProcessSpec, log: Path, on_event: Callable[[str, int], None]
    ) -> None:
        self.pid: int | None = None
        self.exit_code: int | None = None
        self._spec = spec
        self._log = log
        self._on_event = on_event
        self.finished = False
        self._lock = threading.Lock()
        self._process = self._spawn()
        self._thread = threading.Thread(target=self._follow, name="supervisor", daemon=True)
        self._thread.start()

    @property
    def supervisor_pid(self) -> int:
        """Process id of the supervisor."""
        return self._process.pid

    def wait(self) -> int | None:
        """Wait for a program without restart; return its exit code, None if it never ran."""
        self._thread.join()
        return self.exit_code

    def stop(self) -> None:
        """Stop the program in order, and return when it has ended."""
        with self._lock:
            self.finished = True
            process = self._process
        if process.stdin:
            # A line and not only the end of file: a forked child may hold the pipe open.
            with contextlib.suppress(BrokenPipeError, ValueError):  # ended, or already closed
                process.stdin.write(b"stop\n")
                process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()  # the kernel then signals the engine
            process.wait()
        self._thread.join()
        self.pid = None

    def _spawn(self) -> subprocess.Popen[bytes]:
        environment = {key: os.environ[key] for key in _INHERITED_VARIABLES if key in os.environ}
        with self._log.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603  our own script, no shell
                [sys.executable, "-I", "-S", str(SUPERVISOR_FILE)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd="/",
                # No other variables, because PGDATA, PGOPTIONS and the like change the engine.
                env={**environment, "LC_ALL": "C", "TZ": "UTC"},
                start_new_session=True,
            )
        if process.stdin:
            with contextlib.suppress(BrokenPipeError):  # _relay_events notices that it ended
                process.stdin.write(json.dumps(self._spec).encode() + b"\n")
                process.stdin.flush()
        return process

    def _follow(self) -> None:
        quick_ends = 0
        while True:
            began = time.monotonic()
            self._relay_events(self._process)
            quick_ends = quick_ends + 1 if time.monotonic() - began < QUICK_SECONDS else 0
            with self._lock:
                if self.finished:
                    return
                if quick_ends >= MAX_QUICK_ENDS:
                    self.finished = True
                else:
                    # The supervisor was killed, and its engine with it.
                    self._process = self._spawn()
            self._on_event("gave up" if self.finished else "died", -signal.SIGKILL)

    def _relay_events(self, process: subprocess.Popen[bytes]) -> None:
        """Pass on the events of one supervisor until it ends."""
        with process:
            for line in process.stdout or ():
                event = json.loads(line)
                kind, code = event["event"], event.get("code", 0)
                if kind == "started":
                    self.pid = event["pid"]
                else:
                    self.pid = None
                if kind in ("ended", "died"):
                    self.exit_code = code
                if kind in ("ended", "busy"):
                    self.finished = True
                self._on_event(kind, code)
        self.pid = None
