"""Our end of the guard: start it, hear what it says, stop it, replace it if it is killed."""

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

from service.stores.embedded import supervisor as guard

GUARD_FILE = Path(guard.__file__)
STOP_SECONDS = 30.0
QUICK_SECONDS = 1.0
MAX_QUICK_ENDS = 5
_PASSED_ON = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")


class Guarded:
    """A program under guard.

    ``on_event(kind, code)`` is called from a thread of our own with "started", "died" (and the exit
    code, negative for a signal) or "gave up".
    """

    def __init__(self, spec: guard.Spec, log: Path, on_event: Callable[[str, int], None]) -> None:
        self.pid: int | None = None
        self.exit_code: int | None = None
        self._spec = spec
        self._log = log
        self._on_event = on_event
        self.over = False
        self._lock = threading.Lock()
        self._process = self._spawn()
        self._thread = threading.Thread(target=self._follow, name="engine-guard", daemon=True)
        self._thread.start()

    @property
    def guard_pid(self) -> int:
        """Process id of the guard."""
        return self._process.pid

    def wait(self) -> int | None:
        """Wait for a program that is not kept running; its exit code (None: it never ran)."""
        self._thread.join()
        return self.exit_code

    def stop(self) -> None:
        """Stop the program in order, and return when it is gone."""
        with self._lock:
            self.over = True
            process = self._process
        if process.stdin:
            # A word and not only the end of file: a forked child of ours may hold the pipe open.
            with contextlib.suppress(BrokenPipeError, ValueError):  # gone, or already closed
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
        environment = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
        with self._log.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603  our own script, no shell
                [sys.executable, "-I", "-S", str(GUARD_FILE)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd="/",
                # Nothing else from ours: PGDATA, PGOPTIONS and the like would change the engine.
                env={**environment, "LC_ALL": "C", "TZ": "UTC"},
                start_new_session=True,
            )
        if process.stdin:
            with contextlib.suppress(BrokenPipeError):  # its end is noticed where we listen
                process.stdin.write(json.dumps(self._spec).encode() + b"\n")
                process.stdin.flush()
        return process

    def _follow(self) -> None:
        quick_ends = 0
        while True:
            began = time.monotonic()
            self._hear(self._process)
            quick_ends = quick_ends + 1 if time.monotonic() - began < QUICK_SECONDS else 0
            with self._lock:
                if self.over:
                    return
                if quick_ends >= MAX_QUICK_ENDS:
                    self.over = True
                else:
                    # The guard was killed, and its engine with it.
                    self._process = self._spawn()
            self._on_event("gave up" if self.over else "died", -signal.SIGKILL)

    def _hear(self, process: subprocess.Popen[bytes]) -> None:
        """Pass on what this guard says until it ends."""
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
                if kind in ("ended", "gave up", "busy"):
                    self.over = True
                self._on_event(kind, code)
        self.pid = None
