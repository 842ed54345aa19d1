"""Long work on the event loop, in slices."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
SLICE_SECONDS = 0.0005


class Slices:
    """The slices of a long loop, which calls ``end`` after each small part of its work."""

    def __init__(self, seconds: float = SLICE_SECONDS) -> None:
        self._seconds = seconds
        self._ends = time.perf_counter() + seconds

    async def end(self) -> None:
        """Yield to other tasks if the slice is over."""
        if time.perf_counter() > self._ends:
            await asyncio.sleep(0)
            self._ends = time.perf_counter() + self._seconds


async def run_cooperatively(
    work: Iterable[T],
    *,
    seconds: float = SLICE_SECONDS,
    pause: Callable[[], float] = lambda: 0,
) -> list[T]:
    """Return the items of ``work``, yielding to other tasks between slices.

    Args:
        work: does a small part of the work for each item.
        seconds: length of a slice.
        pause: returns the least time between two slices, in seconds.
    """
    items = []
    ends = time.perf_counter() + seconds
    for item in work:
        items.append(item)
        if time.perf_counter() > ends:
            await asyncio.sleep(pause())
            ends = time.perf_counter() + seconds
    return items
