"""Several processes on one socket, and the parent that starts, replaces and ends them.

uvicorn's ``Multiprocess`` starts its own ``Server`` class only, and notices no signal while it
restarts its workers one after the other. This parent compares, ten times a second, the workers that
run with those that should.

* SIGTERM and SIGINT are passed on. A second SIGTERM is passed on as SIGINT.
* SIGHUP replaces each worker. The next one starts when its predecessor has ended.
* A worker that ended by itself is replaced. A worker ends with its parent, however that ends.
"""

import asyncio
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Any

from typing_extensions import override

from service.cli.output import CommandFailed, print_progress
from service.cli.server import GRACE_SECONDS, Server, ShutdownSignal, configure
from service.settings import Settings

POLL_SECONDS = 0.1
RETRY_SECONDS = 1.0
# A worker that has not ended by then hangs: its drain, its grace, and the calls on both stores.
HANG_SECONDS = GRACE_SECONDS + 10.0
_spawn = multiprocessing.get_context("spawn")  # a fork would copy the threads' locks


class WorkerFailed(CommandFailed):
    """The first workers cannot start, so others could not either."""


class Worker:
    """One process that serves, seen from its parent."""

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        self.ready = self.outdated = self.retiring = False
        self._kill_at: float | None = None
        self._hang_seconds = settings.drain_seconds + HANG_SECONDS
        self._started, started = _spawn.Pipe(duplex=False)
        self.process = _spawn.Process(target=_work, args=(settings, listener, started))
        self.process.start()
        started.close()

    @property
    def events(self) -> list[Any]:
        """Handles that are readable at its end, and at its start."""
        return [self.process.sentinel] if self.ready else [self.process.sentinel, self._started]

    def has_ended(self) -> bool:
        """Note whether it is ready; return whether it has ended. A hung one is killed."""
        if not self.ready and self._started.poll():
            with suppress(EOFError):  # it ended before it was ready
                self.ready = bool(self._started.recv())
        if self._kill_at is not None and time.monotonic() > self._kill_at:
            self.process.kill()
        return not self.process.is_alive()

    def send(self, number: int) -> None:
        """Send a signal that ends it; SIGHUP retires it."""
        self.retiring = True
        self._kill_at = self._kill_at or time.monotonic() + self._hang_seconds
        if self.process.is_alive() and self.process.pid is not None:
            os.kill(self.process.pid, number)


class Workers:
    """The workers of one parent."""

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        self._settings, self._listener = settings, listener
        self._workers: list[Worker] = []
        self._signals: list[int] = []
        self._ending = self._served = False
        self._start_after = 0.0

    def run(self, shutdown_signal: ShutdownSignal) -> None:
        """Keep the workers running until a signal ends them, and return when the last has ended.

        Raises:
            WorkerFailed: a worker ended before any was ready.
        """
        with self._handling_signals():
            self._ending = shutdown_signal.received
            try:
                while not self._ending or self._workers:
                    self._handle_signals()
                    self._reap()
                    if not self._ending:
                        self._start_and_retire()
                    wait([e for worker in self._workers for e in worker.events], POLL_SECONDS)
            finally:
                for worker in self._workers:  # none, but after an error
                    worker.process.kill()
                    worker.process.join()

    @contextmanager
    def _handling_signals(self) -> Iterator[None]:
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        before = {number: signal.signal(number, self._note) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._signals.append(number)

    def _handle_signals(self) -> None:
        while self._signals:
            number = self._signals.pop(0)
            if number == signal.SIGHUP:
                for worker in self._workers:
                    worker.outdated = True
                continue
            # A second SIGTERM ends the drain. Workers ignore theirs: systemd sends one to each.
            number = signal.SIGINT if self._ending else number
            self._ending = True
            for worker in self._workers:
                worker.send(number)

    def _reap(self) -> None:
        for worker in [worker for worker in self._workers if worker.has_ended()]:
            self._workers.remove(worker)
            worker.process.join()
            self._served = self._served or worker.ready
            if self._ending or worker.retiring:
                continue
            if not worker.ready:
                if not self._served and not any(other.ready for other in self._workers):
                    raise WorkerFailed("A worker ended before it was ready; its error is above.")
                self._start_after = time.monotonic() + RETRY_SECONDS
            code = worker.process.exitcode
            print_progress(f"worker {worker.process.pid} ended ({code}); another one starts")

    def _start_and_retire(self) -> None:
        """Start the workers that are missing: one more than usual while one is to be replaced."""
        current = [worker for worker in self._workers if not worker.retiring]
        outdated = [worker for worker in current if worker.outdated]
        replaces = bool(outdated) and len(current) == len(self._workers)
        missing = self._settings.workers + replaces - len(current)
        if missing > 0 and time.monotonic() >= self._start_after:
            self._workers += [Worker(self._settings, self._listener) for _ in range(missing)]
        elif missing <= 0 and replaces and all(worker.ready for worker in current):
            outdated[0].send(signal.SIGHUP)


class _WorkerServer(Server):
    """A server that reports its start to its parent, and retires at SIGHUP."""

    def __init__(
        self, settings: Settings, shutdown_signal: ShutdownSignal, started: Connection
    ) -> None:
        super().__init__(configure(settings), shutdown_signal, settings.drain_seconds)
        self._started = started

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig != signal.SIGTERM or not self.is_draining:
            super().handle_exit(sig, frame)

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.retire)
        self._started.send(True)
        self._started.close()


def _work(settings: Settings, listener: socket.socket, started: Connection) -> None:
    """Serve, in a process of its own."""
    os.setpgid(0, 0)  # Ctrl-C of a terminal reaches the parent alone, which passes it on
    threading.Thread(target=_end_with_parent, daemon=True).start()
    shutdown_signal = ShutdownSignal.installed()
    _WorkerServer(settings, shutdown_signal, started).run(sockets=[listener])


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 - spawned
    parent.join()
    os.kill(os.getpid(), signal.SIGINT)  # without a drain: nobody accepts the connections again
    time.sleep(HANG_SECONDS)
    os._exit(1)
