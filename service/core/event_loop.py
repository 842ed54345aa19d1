"""The lag of the event loop: how late it runs what is due, because something else holds it up."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

SAMPLE_SECONDS = 0.1
# Longer than usual intervals of scrapes, so that no scrape misses a lag.
WINDOW_SECONDS = 30.0


class EventLoopLag:
    """The delays of a timer, in seconds, sampled ten times a second."""

    def __init__(self) -> None:
        self._delays = deque[float](maxlen=round(WINDOW_SECONDS / SAMPLE_SECONDS))
        self._timer: asyncio.TimerHandle | None = None

    def longest(self) -> float:
        """Return the longest delay of the last 30 seconds; 0 before the first sample."""
        return max(self._delays, default=0.0)

    @asynccontextmanager
    async def sampled(self) -> AsyncIterator[None]:
        """Sample during the block; for the lifespan."""
        self._schedule()
        try:
            yield
        finally:
            assert self._timer is not None  # noqa: S101 - it was scheduled
            self._timer.cancel()

    def _schedule(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + SAMPLE_SECONDS
        self._timer = loop.call_at(due, self._sample, due)

    def _sample(self, due: float) -> None:
        self._delays.append(max(0.0, asyncio.get_running_loop().time() - due))
        self._schedule()
