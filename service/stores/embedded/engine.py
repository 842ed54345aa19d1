"""What both engines have in common: a folder, a port, a guarded process, a way to be ready."""

import logging
import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from service.stores.embedded.data_dir import kept_secret, make_private, write_private
from service.stores.embedded.errors import EngineFailed
from service.stores.embedded.ports import choose_port
from service.stores.embedded.supervised import Guarded
from service.stores.embedded.supervisor import Spec

Tell = Callable[[str], None]

START_SECONDS = 60.0
POLL_SECONDS = 0.01
PORT_ATTEMPTS = 3
TAIL_LINES = 15
_log = logging.getLogger(__name__)


class PortTaken(EngineFailed):
    """Somebody took the chosen port before the engine did."""


class Engine(ABC):
    """One database engine in a folder of its own.

    ``start`` and ``stop`` may be called from different threads; ``stop`` also ends a ``start`` that
    is under way. ``tell`` gets short lines for people, some of them from a thread of our own.
    """

    name: ClassVar[str]
    stop_signals: ClassVar[list[tuple[int, float]]]
    orphan_signal: ClassVar[int]

    def __init__(self, folder: Path, *, tell: Tell = _log.info) -> None:
        self.folder = folder
        self.port = 0
        self.version = ""
        self._tell = tell
        self._guarded: Guarded | None = None
        self._lock = threading.Lock()
        self._stopping = False
        self._ready = False

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect, with the password; valid once ``start`` has returned."""

    @property
    def pid(self) -> int | None:
        """Process id of the engine, None while it is down."""
        return self._guarded.pid if self._guarded else None

    @property
    def guard_pid(self) -> int | None:
        """Process id of the guard that keeps the engine running."""
        return self._guarded.guard_pid if self._guarded else None

    @property
    def log(self) -> Path:
        """What the engine wrote since the last start; the run before is in ``log.1``."""
        return self.folder / "log"

    @property
    def password(self) -> str:
        """Password of the role polystore, made the first time it is asked for."""
        return kept_secret(self.folder / "password")

    def start(self) -> None:
        """Start the engine and return when it takes clients; ``EngineFailed`` says why not."""
        self.folder = make_private(self.folder)
        self._stopping = False
        if self.log.exists():
            self.log.replace(self.folder / "log.1")
        self.log.touch(mode=0o600)
        self._prepare()
        self._launch_somewhere()
        self._ready = True
        self._tell(f"{self.name} {self.version} ready on 127.0.0.1:{self.port}")

    def stop(self) -> None:
        """Stop the engine in order and return when its processes are gone."""
        with self._lock:
            self._stopping = True
            self._ready = False
            guarded, self._guarded = self._guarded, None
        if guarded:
            guarded.stop()

    @abstractmethod
    def _prepare(self) -> None:
        """Make what the engine needs to run; repair what an earlier start left half."""

    @abstractmethod
    def _spec(self) -> Spec:
        """The engine's command on ``self.port``."""

    @abstractmethod
    def _settle(self) -> bool:
        """Do the next step towards taking clients; True when there. Called until then."""

    def _launch_somewhere(self) -> None:
        kept_port = self.folder / "port"
        preferred = int(kept_port.read_text("utf-8")) if kept_port.exists() else None
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
            write_private(kept_port, str(self.port))

    def _launch(self) -> None:
        guarded = self._guard(self._spec())
        try:
            self._await_settled(guarded)
        except BaseException:
            self._let_go(guarded)
            raise

    def _await_settled(self, guarded: Guarded) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._settle():
            self._check_alive(guarded)
            if time.monotonic() > deadline:
                raise self._failed(f"was not ready after {START_SECONDS:.0f} s")
            time.sleep(POLL_SECONDS)

    def _run_once(self, command: list[str], account: str | int | None, feed: str = "") -> int:
        """Run a program that prepares the engine, under guard too; return its exit code."""
        spec = self._make_spec(command, self.folder, account)
        spec["feed"], spec["keep"] = feed, False
        guarded = self._guard(spec)
        try:
            code = guarded.wait()
        finally:
            self._let_go(guarded)
        if code is None:
            self._check_alive(guarded)
            raise self._failed(f"could not be prepared: {command[0]} did not run")
        return code

    def _make_spec(self, command: list[str], cwd: Path, account: str | int | None) -> Spec:
        return Spec(
            command=command,
            feed="",
            cwd=str(cwd),
            lock=str(self.folder / "guard.lock"),
            parent=os.getpid(),
            account=account,
            stop=self.stop_signals,
            orphan_signal=self.orphan_signal,
            stale=[],
            keep=True,
        )

    def _guard(self, spec: Spec) -> Guarded:
        with self._lock:
            if self._stopping:
                raise EngineFailed(f"{self.name} was stopped while it started.")
            self._guarded = Guarded(spec, self.log, self._hear)
            return self._guarded

    def _let_go(self, guarded: Guarded) -> None:
        guarded.stop()
        with self._lock:
            if self._guarded is guarded:
                self._guarded = None

    def _check_alive(self, guarded: Guarded) -> None:
        if self._stopping:
            raise EngineFailed(f"{self.name} was stopped while it started.")
        if guarded.exit_code is not None:
            how = _how_it_ended(guarded.exit_code)
            if "ddress already in use" in self._tail():
                raise PortTaken(self._failed(how).args[0])
            raise self._failed(how)
        if guarded.over:
            raise self._failed(
                "could not start: an earlier run still stops its engine in this folder"
            )

    def _hear(self, kind: str, code: int) -> None:
        if not self._ready:
            return
        where = f"127.0.0.1:{self.port}"
        if kind == "died":
            self._tell(f"{self.name} {_how_it_ended(code)}; starting it again on {where}")
        elif kind == "started":
            self._tell(f"{self.name} runs again on {where}")
        elif kind == "gave up":
            message = str(self._failed("died again and again and is not started any more"))
            _log.error(message)
            self._tell(message)

    def _failed(self, how: str) -> EngineFailed:
        return EngineFailed(
            f"{self.name} {how}. Its log is {self.log}; the last lines are:\n{self._tail()}"
        )

    def _tail(self) -> str:
        lines = self.log.read_text("utf-8", "replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-TAIL_LINES:])


def _how_it_ended(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
