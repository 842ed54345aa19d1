"""Calls on a store that end in time, and a circuit breaker that spares a store which hangs.

Cancelling a call on a hung database can take seconds itself. Therefore a request does not wait for
it: at the deadline the client gets its response, and the detached call goes on behind it and keeps
its connection.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from math import inf
from typing import Any, TypeVar

from service.core.errors import OutcomeUnknown, QueryTooSlow, Unavailable

T = TypeVar("T")
MAX_FAILURES = 5
OPEN_SECONDS = 1.0  # between the starts of two calls that find out whether the store is back
PAUSE_SECONDS = 0.5  # after the failure of one, so that a client alone is refused at once as well
# Shorter than the time limit of any call, and longer than a busy store takes for its next answer.
SILENT_SECONDS = 1.0
# Seconds that the request has waited for its turn: they are part of the time limit of its calls.
WAITED: ContextVar[float] = ContextVar("waited", default=0.0)


class Deadline:
    """The time limit of one call, which runs from the first use of the store.

    Hashing a password or checking a schema before it takes no time from the store.
    """

    def __init__(self, seconds: float, circuit: "Circuit") -> None:
        self._seconds, self._circuit = seconds, circuit
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.expired: asyncio.Future[None] = self._loop.create_future()
        self.started_at = inf  # of time.monotonic(), once the store is used
        # Set by the store when it commits: from then on a lost response leaves the outcome unknown.
        self.committing = False

    def start(self) -> None:
        """Start the timer; a second call changes nothing.

        Raises:
            Unavailable: the circuit is open.
        """
        if self._timer is None:
            self._circuit.check()
            self.started_at = time.monotonic()
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
    """Whether a store answers: open while it does not.

    Five failures in a row open the circuit. One failure does if no call had an answer in the last
    second of its wait, because the store then hangs: a group of a hundred requests fails as one
    call. Then one call a second finds out whether the store is back; the others fail at once.
    """

    def __init__(self, store: str) -> None:
        self._store = store
        self._failures = 0
        self._answered_at = self._retry_at = 0.0  # of time.monotonic()
        self._queues: set[asyncio.Timeout] = set()

    @property
    def is_open(self) -> bool:
        """Whether calls fail at once."""
        return self._failures >= MAX_FAILURES

    def check(self) -> None:
        """Let a call pass, or not.

        Raises:
            Unavailable: the circuit is open.
        """
        if not self.is_open:
            return
        now = time.monotonic()
        if now < self._retry_at:
            raise self.refusal()
        self._retry_at = now + OPEN_SECONDS  # this call finds out, the others still fail

    def refusal(self) -> Unavailable:
        return Unavailable(f"{self._store} does not answer; try again in a second.")

    def record_failure(self, began: float) -> None:
        """Count the failure of a call that began to wait at this time of ``time.monotonic()``."""
        now = time.monotonic()
        is_silent = now - max(began, self._answered_at) >= SILENT_SECONDS
        self._failures = MAX_FAILURES if is_silent else self._failures + 1
        if self.is_open:
            self._retry_at = max(self._retry_at, now + PAUSE_SECONDS)
            for queue in self._queues:
                if not queue.expired():
                    queue.reschedule(0.0)  # in the past: the wait ends now
            self._queues.clear()

    def record_success(self) -> None:
        self._failures, self._answered_at = 0, time.monotonic()

    @asynccontextmanager
    async def queue(self, seconds: float | None) -> AsyncIterator[None]:
        """Wait, inside the block, until other calls have ended. The wait ends when they fail.

        Raises:
            Unavailable: the circuit is open, or opens meanwhile.
            TimeoutError: the wait took so many seconds; None is no limit.
        """
        if self.is_open:
            raise self.refusal()
        wait = asyncio.timeout(seconds)
        try:
            async with wait:
                self._queues.add(wait)
                yield
        except TimeoutError:
            if not self.is_open:
                raise
            raise self.refusal() from None
        finally:
            self._queues.discard(wait)


class CircuitBreaker:
    """Runs the calls on one store.

    Args:
        store: its name, for error messages.
        seconds: limit of a call.
        translate: turns a driver's error into a :class:`ServiceError`; None: another's fault. An
            ``Unavailable`` with ``store_fails`` counts as a failure.
    """

    def __init__(
        self, store: str, seconds: float, translate: Callable[[Exception], Exception | None]
    ) -> None:
        self.store, self.seconds, self._translate = store, seconds, translate
        self.circuit = Circuit(store)
        self._detached: set[asyncio.Task[Any]] = set()

    @property
    def detached(self) -> int:
        """The calls that go on after their request got its response."""
        return len(self._detached)

    def deadline(self, spent: float = 0.0, seconds: float | None = None) -> Deadline:
        """Return a deadline that has not started; ``spent`` of its ``seconds`` are used up.

        Raises:
            Unavailable: no time is left.
        """
        left = (seconds or self.seconds) - spent - WAITED.get()
        if left <= 0:
            raise self._too_slow()
        return Deadline(left, self.circuit)

    async def run(self, work: Coroutine[Any, Any, T], deadline: Deadline, *, writes: bool) -> T:
        """Return the result of ``work``, or raise by the deadline.

        Raises:
            Unavailable: the store is down, hangs or is overloaded.
            OutcomeUnknown: it was too slow, and ``work`` may still have its effect.
        """
        task = asyncio.ensure_future(work)
        await self._wait(task, deadline)
        if not task.done():
            self.detach(task)
            self.circuit.record_failure(deadline.started_at)
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
                self.circuit.record_success()
            was_cancelled = writes and isinstance(translated, QueryTooSlow)
            raise (OutcomeUnknown() if was_cancelled else translated) from error
        if deadline.started_at < inf:
            self.circuit.record_success()
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
        if not error.store_fails:
            # A store that hangs is no busy one: its calls keep their connections.
            return self.circuit.refusal() if self.circuit.is_open else error
        self.circuit.record_failure(deadline.started_at)
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
            async with asyncio.timeout(self.seconds):
                await asyncio.sleep(0)  # cancelled requests detach their calls now
                while self._detached:
                    await asyncio.wait(self._detached)
