"""Answers in time whatever a store does, and sheds load while a store hangs.

Cancelling a call on a hung database can itself take seconds, so no request waits for it: at
the deadline the client is answered, and the abandoned call cleans up behind, still holding its
connection. After several such failures in a row the store is left alone, but for one request a
second that finds out whether it is back (a circuit breaker, half open after a second).
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from service.core.errors import OutcomeUnknown, Unavailable

T = TypeVar("T")
FAILURES_THAT_OPEN = 5
SECONDS_OPEN = 1.0


class CircuitBreaker:
    """One store's deadline and circuit breaker.

    ``translate`` turns what a driver raises into a refusal, or gives None if it is not about the
    store; :class:`Unavailable` counts as a failure of the store.
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
        """How many calls were given up and are still cleaning up."""
        return len(self._detached)

    def deadline(self) -> "Deadline":
        """A deadline that has not begun to run."""
        return Deadline(self._seconds, self._admit)

    def _admit(self) -> None:
        if self._failures < FAILURES_THAT_OPEN:
            return
        now = time.monotonic()
        if now < self._open_until:
            raise Unavailable(f"{self.store} does not answer; it is asked again every second.")
        self._open_until = now + SECONDS_OPEN  # this one finds out, the others still wait

    async def run(self, work: Coroutine[Any, Any, T], deadline: "Deadline", *, writes: bool) -> T:
        """The result of ``work``, or a refusal by the deadline.

        Raises:
            Unavailable: the store is down, hangs or is overloaded.
            OutcomeUnknown: it hung, and ``work`` may still have its effect.
        """
        task = asyncio.ensure_future(work)
        task.add_done_callback(deadline.expire)
        await self._until_over(task, deadline)
        if not task.done():
            self.detach(task)
            self._failed()
            if writes:
                raise OutcomeUnknown
            raise Unavailable(f"{self.store} did not answer in time.")
        try:
            result = task.result()
        except Exception as error:  # whatever it is, it is raised again
            told = self._translate(error)
            if isinstance(told, Unavailable):
                if told.store_fails:
                    self._failed()
                raise self._lost(told, deadline, writes=writes) from error
            if told is None:
                raise
            self._failures = 0
            raise told from error
        if deadline.running:
            self._failures = 0
        return result

    async def _until_over(self, task: asyncio.Task[Any], deadline: "Deadline") -> None:
        try:
            await deadline.expired
        except asyncio.CancelledError:  # who waits for it has gone; the call goes on all the same
            self.detach(task)
            raise
        finally:
            deadline.stop()

    def _lost(self, told: Unavailable, deadline: "Deadline", *, writes: bool) -> Unavailable:
        if not told.store_fails:  # the store answered, and said that nothing was done
            return told
        if writes and (deadline.committing or isinstance(told, OutcomeUnknown)):
            return OutcomeUnknown()
        if isinstance(told, OutcomeUnknown):  # whoever reads loses nothing
            return Unavailable(f"{self.store} did not answer in time.")
        return told

    def _failed(self) -> None:
        self._failures += 1
        if self._failures == FAILURES_THAT_OPEN:
            self._open_until = time.monotonic() + SECONDS_OPEN

    def detach(self, task: asyncio.Task[Any]) -> None:
        """Waits for it no more; it ends before the store closes."""
        self._detached.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._detached.discard(task)
        if not task.cancelled():
            task.exception()  # the client has its answer; asking marks the failure as seen

    async def drain(self) -> None:
        """Waits for the abandoned calls, when the store closes; what hangs on is cancelled.

        Else its connection came back to a pool that is closed, and stayed open.
        """
        await self._until_none_is_left()
        for task in self._detached:
            task.cancel()
        await self._until_none_is_left()

    async def _until_none_is_left(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._seconds):
                await asyncio.sleep(0)  # whoever is being cancelled abandons their call now
                while self._detached:
                    await asyncio.wait(self._detached)


class Deadline:
    """A deadline that begins with the first use of the store.

    Hashing a password or checking a schema beforehand takes no time from the store.
    """

    def __init__(self, seconds: float, admit: Callable[[], None]) -> None:
        self._seconds, self._admit = seconds, admit
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.expired: asyncio.Future[None] = self._loop.create_future()
        self.committing = False  # from here on a lost answer says nothing about the outcome

    def start(self) -> None:
        """Asks the breaker, then runs; a second call changes nothing.

        Raises:
            Unavailable: the store is being left alone.
        """
        if self._timer is None:
            self._admit()
            self._timer = self._loop.call_later(self._seconds, self.expire)

    @property
    def running(self) -> bool:
        """Whether the store was asked at all."""
        return self._timer is not None

    def stop(self) -> None:
        """Ends it without ringing."""
        if self._timer is not None:
            self._timer.cancel()

    def expire(self, _done: object = None) -> None:
        """The time is up, or the work is done: whoever waits goes on."""
        if not self.expired.done():
            self.expired.set_result(None)
