"""uvicorn's server with an orderly end: readiness fails first, then the tails end, then it stops.

A client that sends a request while the server closes its kept-alive connection loses it. Therefore
the server first answers for POLYSTORE_DRAIN_SECONDS with ``Connection: close``.
"""

import asyncio
import gc
import signal
import socket
import sys
import time
from types import FrameType
from typing import NoReturn, Self

import uvicorn
from typing_extensions import override

from service.cli.connections import Connections, HttpProtocol
from service.main import create_app
from service.settings import Settings
from service.web.middleware.requests import Draining

GRACE_SECONDS = 10
TICKS_PER_SECOND = 10  # uvicorn's
# A request allocates hundreds of objects and almost no cycles. Python's default of 700 would run
# the collector for nearly every request.
GC_THRESHOLDS = (10_000, 20, 20)
# Motor's threads wait as long for the GIL while the event loop works. With Python's 5 ms a
# prediction took 150 ms beside an import, and takes 20 (measured).
SWITCH_SECONDS = 0.0002


class ShutdownSignal:
    """A signal handler that exits, until uvicorn installs its own, and after uvicorn has ended.

    Python ignores an exception raised within a finalizer, so the signal is also recorded.
    """

    def __init__(self) -> None:
        self.received = False

    @classmethod
    def installed(cls) -> Self:
        """Return a new one, installed for SIGTERM and Ctrl-C."""
        shutdown_signal = cls()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, shutdown_signal)
        return shutdown_signal

    def __call__(self, _signal: int, _frame: FrameType | None) -> NoReturn:
        self.received = True
        raise SystemExit(0)


class Server(uvicorn.Server):
    """A server that drains its connections at SIGTERM, and ends the open tails at its shutdown.

    A second SIGTERM, and Ctrl-C, end the drain.
    """

    def __init__(
        self, config: uvicorn.Config, shutdown_signal: ShutdownSignal, drain_seconds: float
    ) -> None:
        super().__init__(config)
        self.server_state: Connections = Connections()
        self._shutdown_signal = shutdown_signal
        self._drain_seconds = drain_seconds
        self._drain_until: float | None = None

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # uvicorn's signal handlers are installed by now; end if a signal came before them.
        self.should_exit = self.should_exit or self._shutdown_signal.received

    def retire(self) -> None:
        """Leave the requests to other processes on the same socket, and stop after the drain.

        The service stays ready. This process accepts no connection from now on, because it would
        close one that came late before its first request.
        """
        for server in self.servers:
            server.close()
        self._drain(not_ready=False)

    @property
    def is_draining(self) -> bool:
        return self._drain_until is not None

    def _drain(self, *, not_ready: bool) -> None:
        draining: Draining | None = self.lifespan.state.get("draining")
        if draining is not None:
            draining.not_ready, draining.closes_connections = not_ready, True
        self._drain_until = time.monotonic() + self._drain_seconds

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        drains = self._drain_seconds > 0 and self.started and not self.should_exit
        if sig == signal.SIGTERM and drains and self._drain_until is None:
            self._captured_signals.append(sig)  # as uvicorn does
            self._drain(not_ready=True)
            return
        super().handle_exit(sig, frame)

    @override
    async def on_tick(self, counter: int) -> bool:
        if self._drain_until is not None and time.monotonic() >= self._drain_until:
            self.should_exit = True
        if counter % TICKS_PER_SECOND == 0:
            self.server_state.close_late(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        shutdown_event = self.lifespan.state.get("shutdown_event")
        if shutdown_event is not None:
            shutdown_event.set()
        await super().shutdown(sockets)


def configure(settings: Settings) -> uvicorn.Config:
    """Return uvicorn's configuration for the application, and freeze what exists by then."""
    config = uvicorn.Config(
        create_app(settings),
        http=HttpProtocol,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    gc.collect()
    gc.freeze()  # existing objects are permanent; collecting them repeatedly cost 5 % (measured)
    gc.set_threshold(*GC_THRESHOLDS)
    sys.setswitchinterval(SWITCH_SECONDS)
    return config
