"""Networks that lose, delay and cut what goes between the service and a store."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

from tests.chaos.client import Call
from tests.chaos.fault import OTHER, Chaos, Fault, Figures
from tests.chaos.load import Load
from tests.chaos.writers import MONGO, SQL, items, labels, orders, posts, predictions, transfers

DELAY_SECONDS, RESETS, SHARE_LOST = 0.2, 5, 0.2
LOSING_TIMES = 2  # as long as a hang
LOSING = {SQL: (orders, transfers, posts), MONGO: (items, predictions, labels)}
BURST = 20


async def hole(store: str, chaos: Chaos) -> Figures:
    proxy = chaos.system.proxies[store]
    with chaos.spared(OTHER[store], f"blackhole of {store}"), proxy.blackhole():
        await asyncio.sleep(chaos.hang_seconds)
    return await _whole_pool(store, chaos)


async def reset(store: str, chaos: Chaos) -> Figures:
    for _ in range(RESETS):
        chaos.system.proxies[store].reset()
        await asyncio.sleep(0.5)
    return await _whole_pool(store, chaos)


async def delay(store: str, chaos: Chaos) -> Figures:
    with chaos.system.proxies[store].delaying(DELAY_SECONDS):
        await asyncio.sleep(chaos.hang_seconds)
    return await _whole_pool(store, chaos)


async def _whole_pool(store: str, chaos: Chaos) -> Figures:
    """Require that as many requests at once as there are connections succeed afterwards."""
    await chaos.settle(f"a fault between the service and {store}")
    path = "/v1/users?limit=1" if store == SQL else "/v1/items?limit=1"
    async with chaos.load.paused():
        with chaos.watching(f"the pool of {store}") as watch:
            answers = await asyncio.gather(
                *(chaos.send(Call(store, "GET", path)) for _ in range(BURST))
            )
    failed = sum(not answer.ok for answer in answers)
    chaos.require(
        "rest",
        not failed or not watch.calm,
        f"{failed} of {BURST} reads of {store} failed afterwards",
    )
    return {"failed": failed}


async def lose_replies(store: str, chaos: Chaos) -> Figures:
    """Cut connections after the store has written; clients repeat with the same key or id."""
    proxy = chaos.system.proxies[store]
    before = proxy.lost_replies()
    with proxy.losing_replies(SHARE_LOST):
        end = time.monotonic() + LOSING_TIMES * chaos.hang_seconds
        await asyncio.gather(*(_write_until(end, write, chaos.load) for write in LOSING[store] * 2))
    lost = proxy.lost_replies() - before
    chaos.require("applied", lost, "no reply was lost")
    return {"lost_replies": lost}


async def _write_until(end: float, write: Callable[[Load], Awaitable[None]], load: Load) -> None:
    while time.monotonic() < end:
        await write(load)


FAULTS = (
    *(
        Fault("F9", f"{name} of {store}", "deadline kept, no leak", partial(run, store), short)
        for store in (SQL, MONGO)
        for name, run, short in (
            ("blackhole", hole, False),
            ("reset", reset, True),
            ("delay", delay, False),
        )
    ),
    Fault(
        "F10",
        "reply of PostgreSQL lost after COMMIT",
        "a retry gives the same object",
        partial(lose_replies, SQL),
        True,
        15.0,
    ),
    Fault(
        "F11",
        "reply of mongod lost after a write",
        "a retry gives the same object",
        partial(lose_replies, MONGO),
        True,
        15.0,
    ),
)
