"""One runner at a time, whatever happens to the others."""

import os
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from pymongo.database import Database

from mongo_indexes.apply import ApplyStopped, apply_all
from mongo_indexes.declare import Collection, Index
from mongo_indexes.exit_codes import ExitCode
from mongo_indexes.lock import LOCKS, Lease, LeaseLost, LockHeld, lease
from tests.mongo_indexes.conftest import Connect

Data = Database[dict[str, Any]]

ROOT = Path(__file__).parents[2]
THINGS = [
    Collection(
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

def stop_before_the_last_step(sentence):
    if sentence.startswith("3/3"):
        print("held", flush=True)
        signal.pause()

with MongoClient(sys.argv[1]) as client:
    apply_all(client[sys.argv[2]], stop_before_the_last_step, collections=THINGS, lease_seconds=6)
"""


def test_lock_held_by_another_is_refused_with_who_and_since_when(connect: Connect) -> None:
    with lease(connect(), wait=0) as held:
        who = f":{os.getpid()}:.* since 20"
        with pytest.raises(LockHeld, match=who) as refused, lease(connect(), wait=0):
            pass
        assert refused.value.holder.owner == held.owner


def test_lock_is_free_again_after_its_holder(connect: Connect) -> None:
    for _ in range(2):
        with lease(connect(), wait=0) as held:
            held.confirm()


def test_lock_is_free_again_after_a_failure(connect: Connect) -> None:
    with pytest.raises(ZeroDivisionError), lease(connect(), wait=0):
        _ = 1 / 0
    with lease(connect(), wait=0) as held:
        held.confirm()


def test_one_of_many_first_runners_gets_the_lock(connect: Connect) -> None:
    leases = [Lease(connect(), 60) for _ in range(8)]
    start = Event()

    def run(each: Lease) -> None:
        start.wait()
        while each.take() is None:
            pass

    threads = [Thread(target=run, args=(each,)) for each in leases]
    for thread in threads:
        thread.start()
    start.set()
    for thread in threads:
        thread.join()
    holders = {holder.owner for each in leases if (holder := each.take())}
    assert len(holders) == 1
    assert holders < {each.owner for each in leases}


def test_lease_runs_out_by_itself(connect: Connect) -> None:
    dead, heir = Lease(connect(), 0.2), Lease(connect(), 60)
    dead.take()
    while (holder := heir.take()) is None or holder.owner != heir.owner:
        pass
    with pytest.raises(LeaseLost):
        dead.confirm()
    dead.give_back()
    heir.confirm()


def test_heartbeat_keeps_the_lease_longer_than_it_lasts(connect: Connect) -> None:
    with lease(connect(), wait=0, seconds=3) as held:
        with pytest.raises(LockHeld), lease(connect(), wait=5):
            pass
        held.confirm()


def test_second_runner_waits_and_finds_nothing_left_to_do(connect: Connect) -> None:
    second_waits = Event()
    first_done: list[str] = []
    second_done: list[str] = []
    told: list[str] = []

    def hear(sentence: str) -> None:
        told.append(sentence)
        second_waits.set()

    def second() -> None:
        steps = apply_all(connect(), hear, collections=THINGS)
        second_done.extend(step.target for step in steps)

    runner = Thread(target=second)

    def first_hears(sentence: str) -> None:
        if not runner.ident:
            runner.start()
            assert second_waits.wait(20)

    steps = apply_all(connect(), first_hears, collections=THINGS)
    first_done.extend(step.target for step in steps)
    runner.join()
    assert first_done == ["things", "things.ix_a", "things.ix_b"]
    assert second_done == []
    assert f":{os.getpid()}:" in told[0]


def test_runner_killed_with_the_lock_is_outlived_and_its_work_finished(
    connect: Connect, mongodb_url: str
) -> None:
    database = connect()
    command = [sys.executable, "-c", KILLED, mongodb_url, database.name]
    told: list[str] = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockHeld, match=f":{holder.pid}:"):
            apply_all(database, collections=THINGS, wait=0)
        holder.kill()
    steps = apply_all(database, told.append, collections=THINGS, wait=20)
    assert told[0].startswith("waiting for ")
    assert [step.target for step in steps] == ["things.ix_b"]


def test_holder_that_lost_its_lease_stops_before_its_next_step(database: Data) -> None:
    def lose(sentence: str) -> None:
        if "ix_b" in sentence:
            database[LOCKS].delete_many({})

    with pytest.raises(ApplyStopped, match="ran out") as stopped:
        apply_all(database, lose, collections=THINGS)
    assert stopped.value.code is ExitCode.LOCKED
    assert [step.name for step in stopped.value.done] == ["", "ix_a"]
    assert {index["name"] for index in database.things.list_indexes()} == {"_id_", "ix_a"}
