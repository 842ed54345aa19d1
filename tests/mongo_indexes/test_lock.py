"""One runner at a time, also if another runner waits, is killed or loses its lease."""

import os
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from pymongo.database import Database

from mongo_indexes.apply import ApplyStopped, apply_all
from mongo_indexes.declare import CollectionSpec, Index
from mongo_indexes.exit_codes import ExitCode
from mongo_indexes.lock import LOCKS, Lease, LeaseLost, LockHeld, lease
from tests.mongo_indexes.conftest import Connect

Data = Database[dict[str, Any]]

ROOT = Path(__file__).parents[2]
THINGS = [
    CollectionSpec(
        name="things",
        why="for the tests",
        indexes=(Index("ix_a", [("a", 1)], why="w"), Index("ix_b", [("b", 1)], why="w")),
    )
]
KILLED = """
import signal, sys
from pymongo import MongoClient
from mongo_indexes.apply import apply_all
from tests.mongo_indexes.test_lock import THINGS

def stop_before_the_last_step(line):
    if line.startswith("3/3"):
        print("locked", flush=True)
        signal.pause()

with MongoClient(sys.argv[1]) as client:
    apply_all(client[sys.argv[2]], stop_before_the_last_step, collections=THINGS, lease_seconds=3)
"""


def test_lease_of_another_runner_is_refused_with_its_holder(connect: Connect) -> None:
    with lease(connect(), wait=0) as lock:
        holder = f":{os.getpid()}:.* since 20"
        with pytest.raises(LockHeld, match=holder) as refused, lease(connect(), wait=0):
            pass
        assert refused.value.holder.owner == lock.owner


def test_lease_is_free_after_release(connect: Connect) -> None:
    for _ in range(2):
        with lease(connect(), wait=0) as lock:
            lock.renew()


def test_lease_is_free_after_an_exception(connect: Connect) -> None:
    with pytest.raises(ZeroDivisionError), lease(connect(), wait=0):
        _ = 1 / 0
    with lease(connect(), wait=0) as lock:
        lock.renew()


def test_lease_of_many_first_runners_goes_to_one(connect: Connect) -> None:
    leases = [Lease(connect(), 60) for _ in range(8)]
    start = Event()

    def run(contender: Lease) -> None:
        start.wait()
        while contender.acquire() is None:
            pass

    threads = [Thread(target=run, args=(contender,)) for contender in leases]
    for thread in threads:
        thread.start()
    start.set()
    for thread in threads:
        thread.join()
    holders = {holder.owner for contender in leases if (holder := contender.acquire())}
    assert len(holders) == 1
    assert holders < {contender.owner for contender in leases}


def test_lease_not_renewed_expires(connect: Connect) -> None:
    expired, successor = Lease(connect(), 0.2), Lease(connect(), 60)
    expired.acquire()
    while (holder := successor.acquire()) is None or holder.owner != successor.owner:
        pass
    with pytest.raises(LeaseLost):
        expired.renew()
    expired.release()
    successor.renew()


def test_lease_is_renewed_beyond_its_length(connect: Connect) -> None:
    with lease(connect(), wait=0, seconds=3) as lock:
        with pytest.raises(LockHeld), lease(connect(), wait=5):
            pass
        lock.renew()


def test_apply_second_runner_waits_and_has_nothing_to_do(connect: Connect) -> None:
    second_waits = Event()
    first_done: list[str] = []
    second_done: list[str] = []
    lines: list[str] = []

    def report_waiting(line: str) -> None:
        lines.append(line)
        second_waits.set()

    def second() -> None:
        steps = apply_all(connect(), report_waiting, collections=THINGS)
        second_done.extend(step.target for step in steps)

    runner = Thread(target=second)

    def start_second(line: str) -> None:
        if not runner.ident:
            runner.start()
            assert second_waits.wait(20)

    steps = apply_all(connect(), start_second, collections=THINGS)
    first_done.extend(step.target for step in steps)
    runner.join()
    assert first_done == ["things", "things.ix_a", "things.ix_b"]
    assert second_done == []
    assert f":{os.getpid()}:" in lines[0]


def test_apply_after_a_killed_runner_finishes_its_steps(connect: Connect, mongodb_url: str) -> None:
    database = connect()
    command = [sys.executable, "-c", KILLED, mongodb_url, database.name]
    lines: list[str] = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(LockHeld, match=f":{holder.pid}:"):
            apply_all(database, collections=THINGS, wait=0)
        holder.kill()
    steps = apply_all(database, lines.append, collections=THINGS, wait=20)
    assert lines[0].startswith("waiting for ")
    assert [step.target for step in steps] == ["things.ix_b"]


def test_apply_lost_lease_stops_before_the_next_step(database: Data) -> None:
    def remove_lock(line: str) -> None:
        if "ix_b" in line:
            database[LOCKS].delete_many({})

    with pytest.raises(ApplyStopped, match="ran out") as stopped:
        apply_all(database, remove_lock, collections=THINGS)
    assert stopped.value.code is ExitCode.LOCKED
    assert [step.name for step in stopped.value.done] == ["", "ix_a"]
    assert {index["name"] for index in database.things.list_indexes()} == {"_id_", "ix_a"}
