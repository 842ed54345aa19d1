"""The base class of both engines: a folder, a port, a supervised process, a readiness check."""

import logging
import os
import shutil
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from service.stores.embedded.data_dir import make_private, stored_secret, write_private
from service.stores.embedded.errors import EngineFailed
from service.stores.embedded.ports import choose_port
from service.stores.embedded.supervised import SupervisedProcess
from service.stores.embedded.supervisor import ProcessSpec

OnProgress = Callable[[str], None]

START_SECONDS = 60.0
POLL_SECONDS = 0.01
PORT_ATTEMPTS = 3
TAIL_LINES = 15
LEAST_FREE_BYTES = 100_000_000  # MongoDB makes journal files of 100 MB
_log = logging.getLogger(__name__)


class PortTaken(EngineFailed):
    """Another process took the chosen port before the engine did."""


class Engine(ABC):
    """One database engine in its own folder.

    ``start`` and ``stop`` may be called from different threads; ``stop`` also ends a running
    ``start``. ``on_progress`` gets short lines for people, some of them from another thread.
    """

    name: ClassVar[str]
    stop_signals: ClassVar[list[tuple[int, float]]]
    orphan_signal: ClassVar[int]

    def __init__(self, folder: Path, *, on_progress: OnProgress = _log.info) -> None:
        self.folder = folder
        self.port = 0
        self.version = ""
        self._on_progress = on_progress
        self._process: SupervisedProcess | None = None
        self._lock = threading.Lock()
        self._stopping = False
        self._ready = False

    @property
    @abstractmethod
    def url(self) -> str:
        """The URL for clients, with the password; valid once ``start`` has returned."""

    @property
    def pid(self) -> int | None:
        """Process id of the engine, None while it is down."""
        return self._process.pid if self._process else None

    @property
    def supervisor_pid(self) -> int | None:
        """Process id of the supervisor that keeps the engine running."""
        return self._process.supervisor_pid if self._process else None

    @property
    def log(self) -> Path:
        """The engine's log since the last start; the log of the run before is ``log.1``."""
        return self.folder / "log"

    @property
    def password(self) -> str:
        """Password of the role polystore, made when it is first read."""
        return stored_secret(self.folder / "password")

    def start(self) -> None:
        """Start the engine and return when clients can connect.

        Raises:
            EngineFailed: it did not start; the message names the cause.
        """
        self.folder = make_private(self.folder)
        self._stopping = False
        if self.log.exists():
            self.log.replace(self.folder / "log.1")
        self.log.touch(mode=0o600)
        self._prepare()
        self._launch_on_free_port()
        self._ready = True
        self._on_progress(f"{self.name} {self.version} ready on 127.0.0.1:{self.port}")

    def stop(self) -> None:
        """Stop the engine in order and return when its processes have ended."""
        with self._lock:
            self._stopping = True
            self._ready = False
            process, self._process = self._process, None
        if process:
            process.stop()

    @abstractmethod
    def _prepare(self) -> None:
        """Create the files the engine needs; repair those that an interrupted start left."""

    @abstractmethod
    def _process_spec(self) -> ProcessSpec:
        """Return the engine's command on ``self.port``."""

    @abstractmethod
    def _check_ready(self) -> bool:
        """Do the next step of the start; return whether clients can connect. Called until then."""

    def _launch_on_free_port(self) -> None:
        port_file = self.folder / "port"
        preferred = int(port_file.read_text("utf-8")) if port_file.exists() else None
        for attempt in range(PORT_ATTEMPTS):
            self.port = choose_port(None if attempt else preferred)
            try:
                self._launch()
            except PortTaken:
                if attempt == PORT_ATTEMPTS - 1:
                    raise
            else:
                break
        if self.port != preferred:
            write_private(port_file, str(self.port))

    def _launch(self) -> None:
        process = self._supervise(self._process_spec())
        try:
            self._wait_ready(process)
        except BaseException:
            self._release(process)
            raise

    def _wait_ready(self, process: SupervisedProcess) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._check_ready():
            self._check_alive(process)
            if time.monotonic() > deadline:
                raise self._failed(f"was not ready after {START_SECONDS:.0f} s")
            time.sleep(POLL_SECONDS)

    def _run_once(self, command: list[str], os_user: str | int | None, stdin: str = "") -> int:
        """Run a program that prepares the engine, also supervised; return its exit code."""
        spec = self._make_spec(command, self.folder, os_user)
        spec["stdin"], spec["restart"] = stdin, False
        process = self._supervise(spec)
        try:
            code = process.wait()
        finally:
            self._release(process)
        if code is None:
            self._check_alive(process)
            raise self._failed(f"could not be prepared: {command[0]} did not run")
        return code

    def _make_spec(self, command: list[str], cwd: Path, os_user: str | int | None) -> ProcessSpec:
        return ProcessSpec(
            command=command,
            stdin="",
            cwd=str(cwd),
            lock=str(self.folder / "guard.lock"),
            parent=os.getpid(),
            os_user=os_user,
            stop=self.stop_signals,
            orphan_signal=self.orphan_signal,
            stale=[],
            restart=True,
        )

    def _supervise(self, spec: ProcessSpec) -> SupervisedProcess:
        with self._lock:
            if self._stopping:
                raise EngineFailed(f"{self.name} was stopped while it started.")
            self._process = SupervisedProcess(spec, self.log, self._handle_event)
            return self._process

    def _release(self, process: SupervisedProcess) -> None:
        process.stop()
        with self._lock:
            if self._process is process:
                self._process = None

    def _check_alive(self, process: SupervisedProcess) -> None:
        if self._stopping:
            raise EngineFailed(f"{self.name} was stopped while it started.")
        if process.exit_code is not None:
            reason = _exit_reason(process.exit_code)
            if "ddress already in use" in self._log_tail():
                raise PortTaken(self._failed(reason).args[0])
            raise self._failed(reason)
        if process.finished:
            raise self._failed(
                "could not start: an earlier run is still stopping its engine in this folder"
            )

    def _handle_event(self, kind: str, code: int) -> None:
        if not self._ready:
            return
        address = f"127.0.0.1:{self.port}"
        if kind == "died":
            cause = f"{_exit_reason(code)}{disk_trouble(self.folder)}"
            self._on_progress(f"{self.name} {cause}; restarting it on {address}")
        elif kind == "started":
            self._on_progress(f"{self.name} is started again on {address}")
        elif kind == "gave up":
            message = str(self._failed("is not restarted, because its supervisor ends at once"))
            _log.error(message)
            self._on_progress(message)

    def _failed(self, reason: str) -> EngineFailed:
        return EngineFailed(
            f"{self.name} {reason}. Its log is {self.log}; the last lines are:\n{self._log_tail()}"
        )

    def _log_tail(self) -> str:
        lines = self.log.read_text("utf-8", "replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-TAIL_LINES:])


def disk_trouble(folder: Path) -> str:
    """Return what is the matter with the file system of a folder, as the end of a sentence.

    It is an empty text if files can be written there.
    """
    free = shutil.disk_usage(folder).free
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return f", because the file system of {folder} is read-only"
    if free < LEAST_FREE_BYTES:
        return f", because the disk is full: {free / 1e6:.0f} MB are free at {folder}"
    return ""


def _exit_reason(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
