"""Rows that many want at once: locks, opposite transfers, last units, one key twenty times."""

import asyncio
import time
from collections import Counter
from functools import partial
from typing import Any

from tests.chaos.client import IN_PROGRESS, Answer, Call, gather_limited
from tests.chaos.fault import Chaos, Fault, Figures
from tests.chaos.writers import SQL
from tests.relational.catalog.factories import product_body

LOCKED_SECONDS = 1.0
PATCHES, TRANSFERS, AT_ONCE, WAITING = 5, 400, 8, 200
ROUNDS, BUYERS, KEYS, SAME = 20, 10, 50, 20
BUSY = frozenset({"not_enough_stock", "overdrawn", IN_PROGRESS})


async def locked_table(chaos: Chaos) -> Figures:
    """Another session holds the table; a change of a row gives up soon."""
    product = chaos.load.setup["products"][0]
    call = Call(
        SQL,
        "PATCH",
        f"/v1/products/{product}",
        {"description": "locked"},
        longest_seconds=LOCKED_SECONDS,
    )
    connection = await chaos.system.connect()
    try:
        async with chaos.load.paused(), connection.transaction():
            await connection.execute("LOCK TABLE products IN ACCESS EXCLUSIVE MODE")
            answers = await asyncio.gather(*(chaos.send(call) for _ in range(PATCHES)))
    finally:
        await connection.close()
    wrong = [answer.status for answer in answers if answer.status != 503]
    chaos.require("response", not wrong, f"a locked row answers {wrong}")
    return {"slowest": round(max(answer.seconds for answer in answers), 3)}


async def opposite_transfers(chaos: Chaos) -> Figures:
    before = await _deadlocks(chaos)
    one, other = chaos.load.setup["accounts"][:2]
    ends = [(one, other), (other, one)] * (TRANSFERS // 2)
    began = time.monotonic()
    async with chaos.load.paused():
        answers = await gather_limited(
            [
                partial(
                    chaos.send,
                    Call(
                        SQL,
                        "POST",
                        "/v1/transfers",
                        {"from_account_id": a, "to_account_id": b, "amount": "0.01"},
                        refusals=BUSY,
                    ),
                )
                for a, b in ends
            ],
            AT_ONCE,
        )
        seconds = time.monotonic() - began
    deadlocks = await _deadlocks(chaos) - before
    chaos.require("deadlock", not deadlocks, f"{deadlocks} of {TRANSFERS} transfers deadlocked")
    return {"deadlocks": deadlocks, **_statuses(answers), "per_second": round(len(ends) / seconds)}


async def _deadlocks(chaos: Chaos) -> int:
    connection = await chaos.system.connect()
    try:
        await asyncio.sleep(1.1)  # backends report to the statistics once a second
        await connection.execute("SELECT pg_stat_clear_snapshot()")
        count: int = await connection.fetchval("SELECT sum(deadlocks)::int FROM pg_stat_database")
    finally:
        await connection.close()
    return count


async def last_unit(chaos: Chaos) -> Figures:
    """Ten buyers want the last unit of a product, twenty times over."""
    oversold, statuses = 0, Counter[str]()
    async with chaos.load.paused():
        for _ in range(ROUNDS):
            product = await _product(chaos, 1)
            order = Call(SQL, "POST", "/v1/orders", {"lines": [_line(product)]}, refusals=BUSY)
            answers = await asyncio.gather(*(chaos.send(order) for _ in range(BUYERS)))
            sold = sum(answer.ok for answer in answers)
            statuses.update(_statuses(answers))
            oversold += sold > 1
            refused = [answer.status for answer in answers if answer.status == 503]
            chaos.require("oversold", sold == 1 or refused, f"one unit was sold {sold} times")
    return {"oversold": oversold, **statuses}


async def same_key(chaos: Chaos) -> Figures:
    """Twenty clients send each order with one key at once; there is one order per key."""
    product, statuses = await _product(chaos, KEYS * SAME), Counter[str]()
    async with chaos.load.paused():
        for _ in range(KEYS):
            keys = {} if chaos.control and chaos.control.without_keys else _key(chaos)
            order = Call(SQL, "POST", "/v1/orders", {"lines": [_line(product)]}, keys, BUSY)
            answers = await asyncio.gather(*(chaos.send(order) for _ in range(SAME)))
            statuses.update(_statuses(answers))
        connection = await chaos.system.connect()
        try:
            count = "SELECT count(*) FROM order_lines WHERE product_id = $1"
            orders = await connection.fetchval(count, product)
        finally:
            await connection.close()
    chaos.require("same_key", orders == KEYS, f"{orders} orders of {KEYS} keys")
    return {"orders": orders, **statuses}


async def exhausted_pool(chaos: Chaos) -> Figures:
    """All connections wait for a locked row; other requests are refused soon."""
    sender, receiver = chaos.load.setup["accounts"][:2]
    body = {"from_account_id": sender, "to_account_id": receiver, "amount": "0.01"}
    call = Call(SQL, "POST", "/v1/transfers", body, refusals=BUSY)
    connection = await chaos.system.connect()
    try:
        async with chaos.load.paused():
            async with connection.transaction():
                await connection.execute("SELECT FROM accounts FOR UPDATE")
                answers = await asyncio.gather(*(chaos.send(call) for _ in range(WAITING)))
            await chaos.rest("an exhausted pool")
    finally:
        await connection.close()
    return {"slowest": round(max(answer.seconds for answer in answers), 3), **_statuses(answers)}


async def _product(chaos: Chaos, units: int) -> str:
    while True:  # the store may still be busy with the fault before
        made = await chaos.send(Call(SQL, "POST", "/v1/products", product_body(stock=units)))
        if made.ok:
            return str(made.json()["id"])
        await asyncio.sleep(0.1)


def _line(product: str) -> dict[str, Any]:
    return {"product_id": product, "quantity": 1}


def _key(chaos: Chaos) -> dict[str, str]:
    return {"Idempotency-Key": chaos.load.id()}


def _statuses(answers: list[Answer]) -> dict[str, int]:
    return dict(Counter(f"{answer.status} {answer.code}".strip() for answer in answers))


FAULTS = (
    Fault("F12", "a table is locked", "503 within a second", locked_table, True),
    Fault("F13", "400 opposite transfers", "no deadlock, exact sums", opposite_transfers, True),
    Fault("F14", "the last unit of stock", "sold once", last_unit, True),
    Fault("F15", "one key, 20 at once", "one order per key", same_key, True, 10.0),
    Fault("F20", "200 requests on 20 connections", "503 in time, no leak", exhausted_pool, True),
)
