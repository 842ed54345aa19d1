"""Calls on a store that end in time, and a circuit breaker that spares a store which hangs.

Cancelling a call on a hung database can take seconds itself. Therefore a request does not wait for
it: at the deadline the client gets its response, and the detached call goes on behind it and keeps
its connection.
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


class Deadline:
    """The time limit of one call, which runs from the first use of the store.

    Hashing a password or checking a schema before it takes no time from the store.
    """

    def __init__(self, seconds: float, before_start: Callable[[], None]) -> None:
        self._seconds, self._before_start = seconds, before_start
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.expired: asyncio.Future[None] = self._loop.create_future()
        # Set by the store when it commits: from then on a lost response leaves the outcome unknown.
        self.committing = False

    @property
    def started(self) -> bool:
        """Whether the store was used."""
        return self._timer is not None

    def start(self) -> None:
        """Start the timer; a second call changes nothing.

        Raises:
            Unavailable: the circuit is open.
        """
        if self._timer is None:
            self._before_start()
            self._timer = self._loop.call_later(self._seconds, self.expire)

    def stop(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def expire(self, _done: object = None) -> None:
        """End the wait for ``expired``: the time is over, or the call has ended."""
        if not self.expired.done():
            self.expired.set_result(None)


class Circuit:
    """The failures of a store in a row.

    Five open the circuit. Then one call a second finds out whether the store is back, and the
    others fail at once (a circuit breaker, half open after a second).
    """

    def __init__(self, store: str) -> None:
        self._store = store
        self._failures = 0
        self._open_until = 0.0

    def check(self) -> None:
        """Let a call pass, or not.

        Raises:
            Unavailable: the circuit is open.
        """
        if self._failures < MAX_FAILURES:
            return
        now = time.monotonic()
        if now < self._open_until:
            raise Unavailable(f"{self._store} does not answer; try again in a second.")
        self._open_until = now + OPEN_SECONDS  # this call finds out, the others still fail

    def record_failure(self) -> None:
        self._failures += 1
        if self._failures == MAX_FAILURES:
            self._open_until = time.monotonic() + OPEN_SECONDS

    def record_success(self) -> None:
        self._failures = 0


class CircuitBreaker:
    """Runs the calls on one store.

    Args:
        store: its name, for error messages.
        seconds: the time limit of a call.
        translate: turns a driver's error into a :class:`ServiceError`, or returns None if the store
            is not the cause. An ``Unavailable`` with ``store_fails`` counts as a failure.
    """

    def __init__(
        self, store: str, seconds: float, translate: Callable[[Exception], Exception | None]
    ) -> None:
        self.store, self._seconds, self._translate = store, seconds, translate
        self._circuit = Circuit(store)
        self._detached: set[asyncio.Task[Any]] = set()

    @property
    def detached(self) -> int:
        """The number of calls that go on after their request got its response."""
        return len(self._detached)

    def deadline(self) -> Deadline:
        """Return a deadline that has not started."""
        return Deadline(self._seconds, self._circuit.check)

    async def run(self, work: Coroutine[Any, Any, T], deadline: Deadline, *, writes: bool) -> T:
        """Return the result of ``work``, or raise by the deadline.

        Raises:
            Unavailable: the store is down, hangs or is overloaded.
            OutcomeUnknown: it hung, and ``work`` may still have its effect.
        """
        task = asyncio.ensure_future(work)
        await self._wait(task, deadline)
        if not task.done():
            self.detach(task)
            self._circuit.record_failure()
            raise OutcomeUnknown if writes else self._too_slow()
        try:
            result = task.result()
        except Exception as error:  # every error is raised again
            translated = self._translate(error)
            if translated is None:
                raise
            if isinstance(translated, Unavailable):
                translated = self._unavailable(translated, deadline, writes=writes)
            else:
                self._circuit.record_success()
            raise translated from error
        if deadline.started:
            self._circuit.record_success()
        return result

    async def _wait(self, task: asyncio.Task[Any], deadline: Deadline) -> None:
        """Wait until the task ends or the deadline expires."""
        task.add_done_callback(deadline.expire)
        try:
            await deadline.expired
        except asyncio.CancelledError:  # the request was cancelled; the call goes on
            self.detach(task)
            raise
        finally:
            deadline.stop()

    def _unavailable(self, error: Unavailable, deadline: Deadline, *, writes: bool) -> Unavailable:
        """Count an error of the store, and return the one that the client gets."""
        if not error.store_fails:  # the store answered, and did nothing
            return error
        self._circuit.record_failure()
        unknown = isinstance(error, OutcomeUnknown)
        if writes and (unknown or deadline.committing):
            return OutcomeUnknown()
        return self._too_slow() if unknown else error  # a read leaves no unknown outcome

    def _too_slow(self) -> Unavailable:
        return Unavailable(f"{self.store} did not answer in time.")

    def detach(self, task: asyncio.Task[Any]) -> None:
        """Wait for a task no longer; :meth:`drain` does before the store closes."""
        self._detached.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._detached.discard(task)
        if not task.cancelled():
            task.exception()  # marks the error as retrieved; the client has its response

    async def drain(self) -> None:
        """Wait for the detached calls before the store closes, and cancel those that hang.

        Otherwise a call would return its connection to a closed pool, and leave it open.
        """
        await self._wait_for_detached()
        for task in self._detached:
            task.cancel()
        await self._wait_for_detached()

    async def _wait_for_detached(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._seconds):
                await asyncio.sleep(0)  # cancelled requests detach their calls now
                while self._detached:
                    await asyncio.wait(self._detached)
