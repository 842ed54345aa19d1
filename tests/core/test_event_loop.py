"""The lag of the event loop is the longest delay of a timer."""

import asyncio
import time

from service.core.event_loop import SAMPLE_SECONDS, WINDOW_SECONDS, EventLoopLag


async def test_lag_is_at_least_what_blocked_the_loop() -> None:
    lag = EventLoopLag()
    assert lag.longest() == 0.0
    async with lag.sampled(), asyncio.timeout(30):
        time.sleep(2 * SAMPLE_SECONDS)  # noqa: ASYNC251 - holds up the loop
        while lag.longest() == 0.0:
            await asyncio.sleep(0.01)
    # The sample was due after one interval and is taken after two.
    assert lag.longest() > 0.9 * SAMPLE_SECONDS


async def test_lag_of_an_older_window_is_forgotten() -> None:
    lag = EventLoopLag()
    now = asyncio.get_running_loop().time()
    async with lag.sampled():
        lag._sample(now - 100.0)
        assert lag.longest() > 90.0
        for _ in range(round(WINDOW_SECONDS / SAMPLE_SECONDS)):
            lag._timer.cancel()  # type: ignore[union-attr]
            lag._sample(now + 100.0)
        assert lag.longest() == 0.0


async def test_lag_is_not_sampled_after_the_block() -> None:
    lag = EventLoopLag()
    async with lag.sampled():
        timer = lag._timer
    assert timer is not None
    assert timer.cancelled()
