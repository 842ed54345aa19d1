"""Engines that are killed, stopped, or that hang."""

import asyncio
import json
import time
from functools import partial

import psutil

from tests.chaos.client import Call
from tests.chaos.fault import Chaos, Fault, Figures
from tests.chaos.writers import MONGO, SQL
from tests.fixtures.processes import family_of, paused_process

READS = {SQL: "/v1/users?limit=1", MONGO: "/v1/items?limit=1"}
IDLE_READS, HANGING_READS = 100, 100
SHED_SECONDS = 0.7


async def kill_engine(store: str, chaos: Chaos) -> Figures:
    return await chaos.recovery(store, family_of(chaos.system.engines[store].pid))


async def kill_backend(chaos: Chaos) -> Figures:
    """PostgreSQL ends all other backends too and starts again by itself."""
    connection = await chaos.system.connect()
    try:
        pid = await connection.fetchval(
            "SELECT pid FROM pg_stat_activity WHERE usename = 'polystore' LIMIT 1"
        )
    finally:
        await connection.close()
    return await chaos.recovery(SQL, [psutil.Process(pid)])


async def restart_with_idle_pool(chaos: Chaos) -> Figures:
    engine = chaos.system.postgres
    async with chaos.load.paused():
        await asyncio.to_thread(engine.stop)
        await asyncio.to_thread(engine.start)
        answers = [await chaos.send(Call(SQL, "GET", READS[SQL])) for _ in range(IDLE_READS)]
    failed = sum(not answer.ok for answer in answers)
    chaos.require("settled", not failed, f"{failed} of {IDLE_READS} reads failed after a restart")
    return {"failed": failed}


async def hang(store: str, chaos: Chaos) -> Figures:
    """Many readers wait at once; all are refused in time, and later ones at once."""
    read = Call(store, "GET", READS[store])
    other = SQL if store == MONGO else MONGO
    with chaos.spared(other, f"hang of {store}"), paused_process(chaos.system.engines[store].pid):
        end = time.monotonic() + chaos.hang_seconds
        asked = [await asyncio.gather(*(chaos.send(read) for _ in range(HANGING_READS)))]
        while time.monotonic() < end:
            asked.append([await chaos.send(read)])
            await asyncio.sleep(0.1)
    slowest = max(answer.seconds for answers in asked for answer in answers)
    shed = sorted(answers[0].seconds for answers in asked[1:])
    median = shed[len(shed) // 2] if shed else 0.0
    chaos.require("late", median <= SHED_SECONDS, f"{store} hangs and sheds after {median:.2f} s")
    moment = time.monotonic()
    return {
        "slowest": round(slowest, 3),
        "shed_median": round(median, 3),
        "recovery": round(await chaos.load.acknowledged_after(store, moment), 3),
    }


async def start_without(store: str, chaos: Chaos) -> Figures:
    """Start the service while a store is down: /readyz names it, and the other one works."""
    system, engine = chaos.system, chaos.system.engines[store]
    async with chaos.load.paused():
        await asyncio.to_thread(engine.stop)
        try:
            await asyncio.to_thread(system.kill_service)
            moment = time.monotonic()
            await system.start_service("/livez")
            up = time.monotonic() - moment
            await _check_without(store, chaos)
        finally:
            await asyncio.to_thread(engine.start)
    return {"up": round(up, 3)}


async def _check_without(store: str, chaos: Chaos) -> None:
    ready = json.loads((await chaos.load.client.probe("/readyz")).body)
    named = {name: ready[name]["ok"] for name in (SQL, MONGO)}
    chaos.require("readiness", not named[store], f"{store} is down and /readyz has {named}")
    chaos.require("readiness", named[SQL] or store == SQL, f"/readyz has {named}")
    if store == MONGO:  # without PostgreSQL no caller is known
        read = await chaos.send(Call(SQL, "GET", READS[SQL]))
        chaos.require("others", read.ok, f"{store} is down and {SQL} answers {read.status}")
    refused = await chaos.send(Call(store, "GET", READS[store]))
    chaos.require("response", refused.status == 503, f"without {store}: {refused.status}")


FAULTS = (
    Fault(
        "F1", "kill -9 of PostgreSQL", "503, 0 lost, heals itself", partial(kill_engine, SQL), True
    ),
    Fault("F2", "kill -9 of one backend", "503, 0 lost, heals itself", kill_backend),
    Fault("F3", "restart with an idle pool", "no failed request", restart_with_idle_pool),
    Fault(
        "F4", "kill -9 of mongod", "503, 0 lost, heals itself", partial(kill_engine, MONGO), True
    ),
    Fault(
        "F7",
        "PostgreSQL hangs",
        "503 in 2.1 s, then shed; MongoDB's routes as before",
        partial(hang, SQL),
        True,
        12.0,
    ),
    Fault(
        "F8",
        "mongod hangs",
        "503 in 2.1 s, then shed; PostgreSQL's routes as before",
        partial(hang, MONGO),
        True,
        12.0,
    ),
    Fault(
        "F25",
        "start without mongod",
        "starts, /readyz names the store, other routes work",
        partial(start_without, MONGO),
        False,
        15.0,
    ),
    Fault(
        "F25",
        "start without PostgreSQL",
        "starts, /readyz names the store",
        partial(start_without, SQL),
        False,
        15.0,
    ),
)
