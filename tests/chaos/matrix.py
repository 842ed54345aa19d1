"""The rows of the fault matrix: what runs, and what does not run here and why."""

import random
from collections.abc import Iterator

from tests.chaos import (
    faults_of_clients,
    faults_of_engines,
    faults_of_network,
    faults_of_processes,
    faults_of_rows,
)
from tests.chaos.fault import Fault

FAULTS: tuple[Fault, ...] = (
    *faults_of_engines.FAULTS,
    *faults_of_network.FAULTS,
    *faults_of_rows.FAULTS,
    *faults_of_processes.FAULTS,
    *faults_of_clients.FAULTS,
)
SKIPPED = {
    "F5": "kill of a primary: tests/faults/test_failover.py has the replica set of three",
    "F6": "step-down of a primary: tests/faults/test_failover.py",
    "F18": "the relay is killed: there is no outbox yet",
    "F19": "poison event: there is no outbox yet",
    "F23": "disk full: needs a file system of its own, which only root can mount",
    "F24": "replica down or hung: tests/faults/test_replica.py has the replica",
    "F26": "clock moved: needs libfaketime, which is not a dependency",
    "F29": "migration half applied: tests/sql_migrations and tests/test_health.py",
}
# How often a row runs in the long form; others run OTHERWISE times.
KILLS = {"F1": 40, "F4": 40, "F16": 20}
OTHERWISE = 5


def short_form() -> Iterator[Fault]:
    """Yield one of each main fault."""
    return (fault for fault in FAULTS if fault.short)


def endless(chance: random.Random) -> Iterator[Fault]:
    """Yield every fault in a random order, again and again."""
    while True:
        yield from chance.sample(FAULTS, len(FAULTS))


def long_form(chance: random.Random) -> Iterator[Fault]:
    """Yield each fault as often as the long form has it, in a random order."""
    faults = [fault for fault in FAULTS for _ in range(KILLS.get(fault.row, OTHERWISE))]
    chance.shuffle(faults)
    yield from faults


def of_rows(*rows: str) -> Iterator[Fault]:
    """Yield the faults of some rows."""
    return (fault for row in rows for fault in FAULTS if fault.row == row)
