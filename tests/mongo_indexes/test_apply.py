"""Whole runs on a real mongod."""

from threading import Thread

import pytest
from bson import SON
from pymongo.errors import OperationFailure

from mongo_indexes.apply import ApplyStopped, apply_all
from mongo_indexes.declare import Index
from mongo_indexes.exit_codes import ExitCode
from mongo_indexes.lock import LOCKS
from mongo_indexes.server import plan
from tests.mongo_indexes.applied import PLAIN, UNIQUE, Data, existing, make, things
from tests.mongo_indexes.conftest import Connect


def test_applying_twice_does_nothing_the_second_time(database: Data) -> None:
    told: list[str] = []
    declared = things(PLAIN, validator={"$jsonSchema": {"required": ["a"]}})
    steps = apply_all(database, told.append, collections=declared)
    assert [step.kind.value for step in steps] == [
        "create_collection",
        "set_validator",
        "create_index",
    ]
    assert told[2] == "3/3 create_index things.ix_a (safe)"
    assert apply_all(database, told.append, collections=declared) == []
    assert len(told) == 3


def test_lock_is_given_back(database: Data) -> None:
    make(database, PLAIN)
    assert database[LOCKS].count_documents({}) == 0


def test_undeclared_index_is_kept_and_pruned_only_on_request(database: Data) -> None:
    database.things.create_index([("mine", 1)], name="mine")
    make(database, PLAIN)
    assert "mine" in existing(database)
    assert make(database, PLAIN, prune=True) == ["hide"]
    assert existing(database)["mine"]["hidden"] is True
    assert make(database, PLAIN) == []
    assert make(database, PLAIN, prune=True) == ["drop_index"]
    assert set(existing(database)) == {"ix_a"}


def test_new_name_is_built_beside_the_old_one(database: Data) -> None:
    make(database, PLAIN)
    assert make(database, Index("uq_a", [("a", 1)], why="w", unique=True)) == ["create_index"]
    assert set(existing(database)) == {"ix_a", "uq_a"}


def test_swapped_names_are_put_right(database: Data) -> None:
    make(database, Index("x", [("a", 1)], why="w"), Index("y", [("b", 1)], why="w"))
    swapped = (Index("x", [("b", 1)], why="w"), Index("y", [("a", 1)], why="w"))
    assert make(database, *swapped) == ["replace_index", "create_index"]
    assert plan(database, things(*swapped)) == []


def test_unique_index_over_duplicates_is_refused_with_an_example(database: Data) -> None:
    database.things.insert_many([{"a": 1}, {"a": 7}, {"a": 7}])
    with pytest.raises(ApplyStopped) as stopped:
        make(database, Index("ix_b", [("b", 1)], why="w"), UNIQUE)
    assert stopped.value.code is ExitCode.REFUSED
    assert "unique index things.ix_a" in str(stopped.value)
    assert '{"a": 7}' in str(stopped.value)
    assert [step.name for step in stopped.value.done] == ["ix_b"]
    assert set(existing(database)) == {"ix_b"}


def test_run_goes_on_after_the_cure(database: Data) -> None:
    database.things.insert_many([{"a": 7}, {"a": 7}])
    with pytest.raises(ApplyStopped) as stopped:
        make(database, UNIQUE, Index("ix_b", [("b", 1)], why="w"))
    assert [step.name for step in stopped.value.left] == ["ix_b"]
    database.things.delete_one({"a": 7})
    assert make(database, UNIQUE, Index("ix_b", [("b", 1)], why="w")) == ["create_index"] * 2


def test_index_that_mongodb_cannot_make_is_refused_by_name(database: Data) -> None:
    impossible = Index("ix_odd", [("a", "nonsense")], why="w")
    with pytest.raises(ApplyStopped, match=r"things\.ix_odd") as stopped:
        make(database, impossible)
    assert stopped.value.code is ExitCode.REFUSED


def test_index_still_being_built_is_drift_and_is_waited_for(connect: Connect) -> None:
    database = connect()
    database.things.insert_many([{"a": str(number)} for number in range(60_000)])
    reasons = set()
    for _ in range(5):  # a build may be over before somebody looks
        builder = Thread(target=make, args=(connect(), PLAIN))
        builder.start()
        while builder.is_alive():
            reasons |= {step.reason for step in plan(database, things(PLAIN))}
        builder.join()
        if "being built on the server: waits for it" in reasons:
            break
        database.things.drop_indexes()
    assert "being built on the server: waits for it" in reasons
    assert plan(database, things(PLAIN)) == []


def test_undeclared_validator_is_removed_only_on_request(database: Data) -> None:
    make(database, validator={"$jsonSchema": {"required": ["a"]}})
    assert make(database) == []
    assert make(database, prune=True) == ["drop_validator"]
    database.things.insert_one({"b": 1})


def test_collection_that_exists_already_is_not_made_anew(database: Data) -> None:
    database.things.insert_one({"a": 1})
    assert make(database, PLAIN) == ["create_index"]
    assert database.things.count_documents({}) == 1


def test_view_in_the_place_of_a_collection_is_not_touched(database: Data) -> None:
    database.create_collection("things", viewOn="base", pipeline=[])
    with pytest.raises(OperationFailure, match="things is a view"):
        make(database, PLAIN)
    assert LOCKS not in database.list_collection_names()


def test_key_pattern_read_from_the_server_keeps_its_order(database: Data) -> None:
    database.things.create_index(SON([("b", 1), ("a", 1)]), name="ba")
    [step] = plan(database, things(Index("ba", [("b", 1), ("a", 1)], why="w"), PLAIN))
    assert step.name == "ix_a"
