"""Limit what the intake holds in memory, and how many batches it processes at once."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

from service.core.circuit_breaker import WAITED, CircuitBreaker
from service.core.errors import ServiceError, Unavailable

MAX_CONCURRENT_BATCHES = 4
# Of the time limit of a request, for the wait; the rest is for the write. A later chunk of a stream
# may wait longer, and has more left, because a late write ends the stream.
WAITING_SHARE, STREAM_WAITING_SHARE = 0.8, 0.5


class TooMuchInFlight(ServiceError):
    status, code, title = 429, "too_much_in_flight", "Events arrive faster than they can be written"
    detail = "Wait, then send again all that was not acknowledged; it was not stored."

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


class BatchesWaiting(Unavailable):
    store_fails = False
    code, detail = "busy", "Too many batches wait; nothing of yours was stored, send it again."


class IntakeLimiter:
    """Count the bytes of events that were read and are not durable yet, up to ``max_bytes``.

    At most four batches or stream chunks are processed at once: ``async with worker_slot:``. Others
    wait as raw bytes. Without this limit, eight disconnecting clients left 1,300 batches behind in
    ten seconds, which blocked all others for a minute (measured).

    Args:
        max_bytes: the limit of all events together.
        breaker: of MongoDB, whose writes are waited for. No one waits behind writes that hang.
    """

    def __init__(self, max_bytes: int, breaker: CircuitBreaker) -> None:
        self._max_bytes, self._breaker = max_bytes, breaker
        self.bytes = self.waiting = 0
        self._slots = asyncio.Semaphore(MAX_CONCURRENT_BATCHES)

    @property
    def worker_slot(self) -> AbstractAsyncContextManager[None]:
        """A slot for the block. The wait for it is part of the time limit of calls on MongoDB.

        Raises:
            BatchesWaiting: no slot became free in time.
            Unavailable: all slots are taken, and MongoDB does not answer; nothing was stored.
        """
        share = self._breaker.seconds * WAITING_SHARE
        return self._slot(share, longest=share)

    @property
    def stream_slot(self) -> AbstractAsyncContextManager[None]:
        """A slot for a later chunk of a stream, which waits for it while MongoDB answers others.

        So a sender whose stream has begun is slowed down, instead of cut off.

        Raises:
            Unavailable: all slots are taken, and MongoDB does not answer; nothing was stored.
        """
        return self._slot(self._breaker.seconds * STREAM_WAITING_SHARE, longest=None)

    @asynccontextmanager
    async def _slot(self, share: float, *, longest: float | None) -> AsyncIterator[None]:
        began = time.monotonic()
        await self._acquire_slot(longest)
        waited = WAITED.set(min(time.monotonic() - began, share))
        try:
            yield
        finally:
            WAITED.reset(waited)
            self._slots.release()

    async def _acquire_slot(self, seconds: float | None) -> None:
        # A free slot is taken even while the circuit is open, to find out whether it still is.
        queue = self._breaker.circuit.queue(seconds) if self._slots.locked() else nullcontext()
        self.waiting += 1
        try:
            async with queue:
                await self._slots.acquire()
        except TimeoutError:
            raise BatchesWaiting from None
        finally:
            self.waiting -= 1

    def acquire(self, size: int) -> None:
        """Reserve ``size`` bytes.

        Raises:
            TooMuchInFlight: ``max_bytes`` would be exceeded; nothing is reserved.
        """
        if self.bytes + size > self._max_bytes:
            raise TooMuchInFlight
        self.bytes += size

    def release(self, size: int) -> None:
        self.bytes -= size
