"""The service itself is killed, or ended in order, while requests are under way."""

import asyncio
import signal
import subprocess
import time
from contextlib import suppress

from tests.chaos.connections import BROKEN
from tests.chaos.fault import Chaos, Fault, Figures
from tests.chaos.writers import MONGO, SQL

DRAIN_SECONDS = 1.0  # as the service of a run has
MARGIN_SECONDS, END_SECONDS = 0.2, 30


async def kill_service(chaos: Chaos) -> Figures:
    await asyncio.to_thread(chaos.system.kill_service)
    moment = time.monotonic()
    await chaos.system.start_service()
    up = time.monotonic() - moment
    waits = [await chaos.load.acknowledged_after(store, moment) for store in (SQL, MONGO)]
    return {"up": round(up, 3), "recovery": round(max(waits), 3)}


async def terminate_service(chaos: Chaos) -> Figures:
    """SIGTERM: readiness fails first, what is under way gets its response, the exit code is 0.

    Until shortly before the end of the drain every request must get one.
    """
    system, service = chaos.system, chaos.system.service
    assert service is not None
    kills = chaos.control is not None and chaos.control.kills_for_sigterm
    before = chaos.broken.counts["connection"]
    draining = asyncio.create_task(_drain(chaos))
    service.process.send_signal(signal.SIGKILL if kills else signal.SIGTERM)
    ready = await _failing_readiness(chaos)
    code = await asyncio.to_thread(service.process.wait, END_SECONDS)
    judged = await draining or kills
    cut = chaos.broken.counts["connection"] - before
    chaos.require("in_flight", not cut, f"{cut} requests got no response during the drain")
    chaos.require("in_flight", code == 0, f"the exit code is {code}")
    if judged:
        chaos.require("readiness", ready == 503, f"/readyz answers {ready} during the drain")
    await system.start_service()
    return {"exit_code": code, "cut": cut}


async def _drain(chaos: Chaos) -> bool:
    """Note the absence that follows the drain; return whether the machine was calm until then."""
    with chaos.watching("the drain") as watch:
        await asyncio.sleep(DRAIN_SECONDS - MARGIN_SECONDS)
    chaos.system.note_absence(finishes=watch.calm)
    return watch.calm


async def terminate_while_stores_hang(chaos: Chaos) -> Figures:
    """SIGTERM while neither store answers: the service ends all the same, without a kill."""
    system, service = chaos.system, chaos.system.service
    assert service is not None
    sql, mongo = system.proxies.values()
    with sql.blackhole(), mongo.blackhole():
        await asyncio.sleep(DRAIN_SECONDS)
        system.note_absence()
        began = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        try:
            code = await asyncio.to_thread(service.process.wait, END_SECONDS)
        except subprocess.TimeoutExpired:
            code = None
        seconds = time.monotonic() - began
        chaos.require("in_flight", code == 0, f"no end {END_SECONDS} s after SIGTERM: {code}")
    if code is None:
        await asyncio.to_thread(system.kill_service)
    await system.start_service()
    return {"exit_code": code, "seconds": round(seconds, 1)}


async def _failing_readiness(chaos: Chaos) -> int:
    """Return the status of /readyz once it fails, or 0 if the service ends before."""
    with suppress(*BROKEN):
        async with asyncio.timeout(DRAIN_SECONDS * 0.9):
            while True:
                status = (await chaos.load.client.probe("/readyz")).status
                if status != 200:
                    return status
                await asyncio.sleep(0.02)
    return 0


FAULTS = (
    Fault("F16", "kill -9 of the service", "acknowledged is stored", kill_service, True),
    Fault(
        "F17",
        "SIGTERM under load",
        "readiness fails first, responses are finished, exit code 0",
        terminate_service,
        True,
    ),
    Fault(
        "F17",
        "SIGTERM while both stores hang",
        "exit code 0 in time",
        terminate_while_stores_hang,
        False,
        40.0,
    ),
)
