"""Deadlines of calls on a store, and a circuit breaker for a store that hangs.

Cancelling a call on a hung database can itself take seconds, so no request waits for it: at the
deadline the client is answered, and the detached call cleans up later, still using its connection.
After five failures in a row the circuit opens; every second one request tries the store again.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from service.core.errors import OutcomeUnknown, Unavailable

T = TypeVar("T")
MAX_FAILURES = 5
OPEN_SECONDS = 1.0


class CircuitBreaker:
    """One store's circuit breaker.

    Args:
        store: its name, for error messages.
        seconds: from the first use of the store to the deadline.
        translate: turns an exception of the driver into an error of the service, or returns None
            where it is not about the store; :class:`Unavailable` counts as a failure.
    """

    def __init__(
        self, store: str, seconds: float, translate: Callable[[Exception], Exception | None]
    ) -> None:
        self.store, self._seconds, self._translate = store, seconds, translate
        self._failures = 0
        self._open_until = 0.0
        self._detached: set[asyncio.Task[Any]] = set()

    @property
    def detached(self) -> int:
        """The number of calls that were given up and are still cleaning up."""
        return len(self._detached)

    def deadline(self) -> "Deadline":
        """Return a deadline that has not started."""
        return Deadline(self._seconds, self._check)

    def _check(self) -> None:
        if self._failures < MAX_FAILURES:
            return
        now = time.monotonic()
        if now < self._open_until:
            raise Unavailable(f"{self.store} does not answer; try again in a second.")
        self._open_until = now + OPEN_SECONDS  # this request tries, others are refused

    async def run(self, work: Coroutine[Any, Any, T], deadline: "Deadline", *, writes: bool) -> T:
        """Return the result of ``work``, or raise by the deadline.

        Raises:
            Unavailable: the store is down, hangs or is overloaded.
            OutcomeUnknown: it hung, and ``work`` may still have its effect.
        """
        task = asyncio.ensure_future(work)
        task.add_done_callback(deadline.expire)
        await self._wait(task, deadline)
        if not task.done():
            self.detach(task)
            self._failed()
            if writes:
                raise OutcomeUnknown
            raise Unavailable(f"{self.store} did not answer in time.")
        try:
            result = task.result()
        except Exception as error:  # every error is raised again
            translated = self._translate(error)
            if isinstance(translated, Unavailable):
                if translated.store_fails:
                    self._failed()
                raise self._outcome(translated, deadline, writes=writes) from error
            if translated is None:
                raise
            self._failures = 0
            raise translated from error
        if deadline.running:
            self._failures = 0
        return result

    async def _wait(self, task: asyncio.Task[Any], deadline: "Deadline") -> None:
        try:
            await deadline.expired
        except asyncio.CancelledError:  # the client has gone; the call continues
            self.detach(task)
            raise
        finally:
            deadline.stop()

    def _outcome(self, error: Unavailable, deadline: "Deadline", *, writes: bool) -> Unavailable:
        if not error.store_fails:  # the store answered that nothing was done
            return error
        if writes and (deadline.committing or isinstance(error, OutcomeUnknown)):
            return OutcomeUnknown()
        if isinstance(error, OutcomeUnknown):  # a read has no outcome
            return Unavailable(f"{self.store} did not answer in time.")
        return error

    def _failed(self) -> None:
        self._failures += 1
        if self._failures == MAX_FAILURES:
            self._open_until = time.monotonic() + OPEN_SECONDS

    def detach(self, task: asyncio.Task[Any]) -> None:
        """Wait for the task no longer; it ends before the store closes."""
        self._detached.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._detached.discard(task)
        if not task.cancelled():
            task.exception()  # mark it as retrieved, because the client has its answer

    async def drain(self) -> None:
        """Wait for the detached calls when the store closes, then cancel the rest.

        Otherwise a connection would return to a closed pool and stay open.
        """
        await self._wait_for_detached()
        for task in self._detached:
            task.cancel()
        await self._wait_for_detached()

    async def _wait_for_detached(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._seconds):
                await asyncio.sleep(0)  # requests that are being cancelled detach their calls now
                while self._detached:
                    await asyncio.wait(self._detached)


class Deadline:
    """A deadline that starts with the first use of the store.

    Time for hashing a password or checking a schema before that does not count.
    """

    def __init__(self, seconds: float, admit: Callable[[], None]) -> None:
        self._seconds, self._check = seconds, admit
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.expired: asyncio.Future[None] = self._loop.create_future()
        self.committing = False  # a lost answer leaves the outcome unknown from here on

    def start(self) -> None:
        """Start the deadline, once.

        Raises:
            Unavailable: the circuit is open.
        """
        if self._timer is None:
            self._check()
            self._timer = self._loop.call_later(self._seconds, self.expire)

    @property
    def running(self) -> bool:
        """Whether the store was used at all."""
        return self._timer is not None

    def stop(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def expire(self, _done: object = None) -> None:
        """End the wait: the time is up, or the work is done."""
        if not self.expired.done():
            self.expired.set_result(None)
