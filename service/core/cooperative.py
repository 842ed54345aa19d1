"""Long work on the event loop, in slices."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
SLICE_SECONDS = 0.0005


async def run_cooperatively(
    work: Iterable[T],
    *,
    seconds: float = SLICE_SECONDS,
    pause: Callable[[float], float] = lambda _: 0,
) -> list[T]:
    """Return the items of ``work``, yielding to other tasks between slices.

    Args:
        work: does a small part of the work for each item.
        seconds: length of a slice.
        pause: returns the least time until the next slice, of the time that the last one took;
            both in seconds.
    """
    items = []
    began = time.perf_counter()
    for item in work:
        items.append(item)
        taken = time.perf_counter() - began
        if taken > seconds:
            await asyncio.sleep(pause(taken))
            began = time.perf_counter()
    return items
