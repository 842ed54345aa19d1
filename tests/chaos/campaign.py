"""A run: start the system, load it, break one thing after the other, check, and report."""

import asyncio
import logging
import random
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.chaos.checker import compare
from tests.chaos.client import Call, Client
from tests.chaos.controls import Control
from tests.chaos.fault import Chaos, Fault
from tests.chaos.load import PAUSE_SECONDS, UNSETTLED, Load
from tests.chaos.readers import READERS
from tests.chaos.records import Broken, RecordLog
from tests.chaos.report import write_report
from tests.chaos.stored import count_faulty_sums, read_stored
from tests.chaos.system import System
from tests.chaos.writers import MONGO, SQL, WRITERS
from tests.fixtures.replica_set import MEMORY, NEEDED_BYTES
from tests.relational.catalog.factories import product_body

CALM_SECONDS, END_SECONDS, FAULT_SECONDS, LINE_SECONDS = 1.0, 60.0, 300.0, 10.0
BUYERS, PRODUCTS, ACCOUNTS, STOCK, FUNDS = 4, 4, 6, 900_000_000, "100000.00"
log = logging.getLogger(__name__)
OnProgress = Callable[[str, Chaos], None]
Report = dict[str, Any]


class Plan(NamedTuple):
    """The faults of a run, and when it ends: at the latest and at the earliest, in seconds."""

    faults: Callable[[random.Random], Iterable[Fault]]
    seconds: float
    at_least: float = 0.0
    seed: int = 1
    control: Control | None = None
    hang_seconds: float = 5.0
    prepared: Path | None = None  # as the fixture prepared_service_folder makes it


async def run(plan: Plan, on_progress: OnProgress) -> Report:
    """Run the plan and return its report; ``report["broken"]`` is empty if all promises hold."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(_temporary_folder()))
        if plan.prepared is not None:
            shutil.copytree(plan.prepared, folder, dirs_exist_ok=True)
        chance = random.Random(plan.seed)
        records = RecordLog(folder)
        stack.callback(records.close)
        async with System(folder, plan.control, chance).running() as system:
            return await _run_on(system, plan, records, chance, on_progress)


def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder in memory where there is room: a SIGKILL leaves the same files there."""
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= NEEDED_BYTES
    return tempfile.TemporaryDirectory(prefix="polystore-chaos-", dir=MEMORY if roomy else None)


async def _run_on(
    system: System,
    plan: Plan,
    records: RecordLog,
    chance: random.Random,
    on_progress: OnProgress,
) -> Report:
    broken, began = Broken(), time.monotonic()
    client = Client(system, broken)
    without_keys = plan.control is not None and plan.control.without_keys
    load = Load(client, records, chance, without_keys=without_keys)
    chaos = Chaos(system, load, broken, plan.control, defaultdict(list), [], plan.hang_seconds)
    await _set_up(load)
    faults = []
    async with _loaded(load):
        await asyncio.sleep(CALM_SECONDS)
        for fault in plan.faults(chance):
            if time.monotonic() - began + fault.seconds > plan.seconds:
                break
            broken.during = f"{fault.row} {fault.name}"
            on_progress(broken.during, chaos)
            faults.append(await _run_fault(fault, chaos))
        while time.monotonic() - began < plan.at_least:
            on_progress("no fault", chaos)
            await asyncio.sleep(LINE_SECONDS)
        await chaos.settle("the last fault")
    broken.during = "check"
    on_progress(broken.during, chaos)
    counts = compare(records.sent, records.acknowledged, await read_stored(system), broken)
    sums = await count_faulty_sums(system)
    for promise, faulty in sums.items():
        for what, count in faulty.items():
            chaos.require(promise, not count, f"{what}: {count}")
    client.close()
    return write_report(plan.seed, plan.control, time.monotonic() - began, chaos, faults, counts)


async def _run_fault(fault: Fault, chaos: Chaos) -> dict[str, Any]:
    """Run one fault, wait until everything works again; return its entry of the report."""
    before, began = chaos.broken.counts.copy(), time.monotonic()
    try:
        async with asyncio.timeout(FAULT_SECONDS):
            figures = await fault.run(chaos)
            await chaos.settle(f"{fault.row} {fault.name}")
    except Exception as error:  # the run goes on, and is no success
        log.exception("%s", fault.name)
        figures = {"error": repr(error)}
        chaos.broken.add("settled", repr(error))
    await asyncio.sleep(CALM_SECONDS)
    return {
        "row": fault.row,
        "name": fault.name,
        "promise": fault.promise,
        "seconds": round(time.monotonic() - began, 1),
        "figures": figures,
        "broken": dict(chaos.broken.counts - before),
    }


@asynccontextmanager
async def _loaded(load: Load) -> AsyncIterator[None]:
    """Keep every client busy during the block; afterwards each write has its outcome."""
    stopped = asyncio.Event()

    async def repeat(use: Callable[[Load], Awaitable[None]]) -> None:
        while not stopped.is_set():
            await use(load)
            await asyncio.sleep(PAUSE_SECONDS * (0.5 + load.chance.random()))

    uses = [(one.write, one.clients) for one in WRITERS] + [
        (one.read, one.clients) for one in READERS
    ]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(repeat(use)) for use, clients in uses for _ in range(clients)]
        try:
            yield
        finally:
            stopped.set()
            _, pending = await asyncio.wait(tasks, timeout=END_SECONDS)
            for task in pending:
                task.cancel()


async def _set_up(load: Load) -> None:
    """Make what the writers share: buyers, products, funded accounts, two revised objects."""

    async def make(store: str, path: str, body: dict[str, Any]) -> str:
        call = Call(store, "POST", path, body, {"Idempotency-Key": load.id()})
        while (answer := await load.client.send(call)).status in UNSETTLED:
            await asyncio.sleep(PAUSE_SECONDS)
        assert answer.ok, answer
        return str(answer.json()["id"])

    async def user(kind: str) -> str:
        name = load.name(kind)
        return await make(SQL, "/v1/users", {"username": name, "email": f"{name}@example.com"})

    async def account(*, may_overdraw: bool) -> str:
        body = {"name": "chaos", "currency": "EUR", "may_overdraw": may_overdraw}
        return await make(SQL, "/v1/accounts", body)

    load.setup["buyers"] = [{"id": await user("buyer"), "quantity": 0} for _ in range(BUYERS)]
    load.setup["profile"] = {"id": await user("profile"), "revision": 0}
    load.setup["item"] = {
        "id": await make(MONGO, "/v1/items", {"name": load.name("revised")}),
        "revision": 0,
    }
    load.setup["products"] = [
        await make(SQL, "/v1/products", product_body(stock=STOCK)) for _ in range(PRODUCTS)
    ]
    funding = await account(may_overdraw=True)
    load.setup["accounts"] = [await account(may_overdraw=False) for _ in range(ACCOUNTS)]
    for receiver in load.setup["accounts"]:
        ends = {"from_account_id": funding, "to_account_id": receiver}
        await make(SQL, "/v1/transfers", {**ends, "amount": FUNDS})
    load.setup["credentials"] = load.client.system.credentials
