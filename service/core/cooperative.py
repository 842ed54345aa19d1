"""Long work on the event loop, done a little at a time."""

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
    rest: Callable[[], float] = lambda: 0,
) -> list[T]:
    """What ``work`` gives, one after the other.

    Args:
        work: does a little each time it is asked for the next.
        seconds: after so long others have their turn.
        rest: how long that is at least, in seconds.
    """
    done = []
    ends = time.perf_counter() + seconds
    for each in work:
        done.append(each)
        if time.perf_counter() > ends:
            await asyncio.sleep(rest())
            ends = time.perf_counter() + seconds
    return done
