"""One fault of the matrix, and what a fault may use."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import psutil

from tests.chaos.client import Answer, Call, percentile
from tests.chaos.controls import Control
from tests.chaos.load import Load
from tests.chaos.records import Broken
from tests.chaos.system import System, gauges
from tests.fixtures.processes import kill

HANG_SECONDS = 5.0
REST_SECONDS, SETTLE_SECONDS, RESTART_SECONDS = 10.0, 15.0, 3.0
# Of a p99 beside a fault: below it, what else runs on the machine is louder.
QUIET_SECONDS, MOST_TIMES_SLOWER = 0.25, 2.0
MOST_STARVED = 0.3  # share of the time that clients and service may wait for a processor
OTHER = {"postgresql": "mongodb", "mongodb": "postgresql"}
AT_REST = ("connections_in_use", "calls_abandoned", "queue", "waiting")
Figures = dict[str, Any]


class Watch:
    """Whether the machine was calm enough to judge by time."""

    calm = True


class Chaos(NamedTuple):
    """The system, its load, and what was found so far."""

    system: System
    load: Load
    broken: Broken
    control: Control | None
    recoveries: dict[str, list[float]]
    unjudged: list[str]  # promises about time, while the machine was too busy otherwise
    hang_seconds: float = HANG_SECONDS

    def require(self, promise: str, holds: object, example: str) -> None:
        """Note a broken promise unless it holds."""
        if not holds:
            self.broken.add(promise, example)

    async def send(self, call: Call) -> Answer:
        """Send beside the load, also while that is paused."""
        return await self.load.client.send(call)

    @contextmanager
    def watching(self, what: str) -> Iterator["Watch"]:
        """Find out whether clients and service had a processor during the block."""
        moment, watch = self.system.now(), Watch()
        yield watch
        passed = time.monotonic() - moment.time
        watch.calm = self.system.seconds_since(moment) >= (1 - MOST_STARVED) * passed
        if not watch.calm:
            self.unjudged.append(what)

    @contextmanager
    def spared(self, store: str, name: str) -> Iterator[None]:
        """Require that the store works as before during the block, whatever happens to another.

        Every response is 2xx or an expected refusal, and the p99 at most doubles.
        """
        client, start = self.load.client, time.monotonic()
        before = client.since(store, start - self.hang_seconds)
        with self.watching(f"{store} beside {name}") as watch:
            yield
        during = client.since(store, start)
        if not watch.calm:
            return
        refused = Counter(sample.code for sample in during if sample.status in {429, 503})
        self.require("others", during, f"{name}: {store} answered nothing")
        self.require("others", not refused, f"{name}: {store} refused {dict(refused)}")
        was, now = (
            percentile([sample.seconds for sample in samples], 0.99) for samples in (before, during)
        )
        limit = max(QUIET_SECONDS, MOST_TIMES_SLOWER * was)
        slower = f"{name}: p99 of {store} is {now:.3f} s, it was {was:.3f} s"
        self.require("others", now <= limit, slower)

    async def recovery(self, store: str, processes: list[psutil.Process]) -> Figures:
        """Kill processes of an engine right after a write of its store was acknowledged.

        Return the seconds until the engine answers, and from then to the next acknowledged write.

        The second figure is at most three seconds in 95 of 100 cases; see ``report.py``.
        """
        await self.load.acknowledged_after(store, time.monotonic())
        kill(processes)
        began = time.monotonic()
        async with asyncio.timeout(60):
            while not await self.system.answers(store):
                await asyncio.sleep(0.02)
        again = self.system.now()
        await self.load.acknowledged_after(store, again.time)
        seconds = self.system.seconds_since(again)
        self.recoveries[store].append(seconds)
        return {"restart": round(again.time - began, 3), "recovery": round(seconds, 3)}

    async def settle(self, name: str) -> None:
        """Wait until both stores write again and everything is back to rest."""
        moment = time.monotonic()
        for store in OTHER:
            seconds = await self.load.acknowledged_after(store, moment, SETTLE_SECONDS)
            self.require(
                "settled", seconds < SETTLE_SECONDS, f"after {name} {store} does not write"
            )
        async with self.load.paused():
            await self.rest(name)

    async def rest(self, name: str) -> None:
        """Require that no connection, queue or abandoned call is left; the load is paused."""
        deadline = time.monotonic() + REST_SECONDS
        while True:
            shown = dict(gauges((await self.load.client.probe("/metrics")).body.decode()))
            busy = {
                figure: value
                for figure, value in shown.items()
                if value and any(word in figure for word in AT_REST)
            }
            if not busy or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.05)
        self.require("rest", shown, f"after {name}: /metrics has no gauges")
        self.require("rest", not busy, f"after {name}: {busy}")


class Fault(NamedTuple):
    """A row of the matrix, or a part of one."""

    row: str
    name: str
    promise: str
    run: Callable[[Chaos], Awaitable[Figures]]
    short: bool = False  # part of the short form
    seconds: float = 8.0  # how long it takes, about
