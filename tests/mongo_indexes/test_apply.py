"""Whole runs on a real mongod."""

from threading import Thread

import pytest
from bson import SON

from mongo_indexes.apply import ApplyStopped, apply_all
from mongo_indexes.declare import Index
from mongo_indexes.exit_codes import ExitCode
from mongo_indexes.lock import LOCKS
from mongo_indexes.server import plan
from tests.mongo_indexes.conftest import Connect
from tests.mongo_indexes.real_server import PLAIN, UNIQUE, Data, apply, server_indexes, things


def test_apply_second_time_does_nothing(database: Data) -> None:
    lines: list[str] = []
    declared = things(PLAIN, validator={"$jsonSchema": {"required": ["a"]}})
    steps = apply_all(database, lines.append, collections=declared)
    assert [step.kind.value for step in steps] == [
        "create_collection",
        "set_validator",
        "create_index",
    ]
    assert lines[2] == "3/3 create_index things.ix_a (safe)"
    assert apply_all(database, lines.append, collections=declared) == []
    assert len(lines) == 3


def test_apply_releases_the_lock(database: Data) -> None:
    apply(database, PLAIN)
    assert database[LOCKS].count_documents({}) == 0


def test_apply_undeclared_index_is_pruned_only_on_request(database: Data) -> None:
    database.things.create_index([("mine", 1)], name="mine")
    apply(database, PLAIN)
    assert "mine" in server_indexes(database)
    assert apply(database, PLAIN, prune=True) == ["hide"]
    assert server_indexes(database)["mine"]["hidden"] is True
    assert apply(database, PLAIN) == []
    assert apply(database, PLAIN, prune=True) == ["drop_index"]
    assert set(server_indexes(database)) == {"ix_a"}


def test_apply_new_name_is_built_beside_the_old_index(database: Data) -> None:
    apply(database, PLAIN)
    assert apply(database, Index("uq_a", [("a", 1)], why="w", unique=True)) == ["create_index"]
    assert set(server_indexes(database)) == {"ix_a", "uq_a"}


def test_apply_swapped_names_are_corrected(database: Data) -> None:
    apply(database, Index("x", [("a", 1)], why="w"), Index("y", [("b", 1)], why="w"))
    swapped = (Index("x", [("b", 1)], why="w"), Index("y", [("a", 1)], why="w"))
    assert apply(database, *swapped) == ["replace_index", "create_index"]
    assert plan(database, things(*swapped)) == []


def test_apply_unique_over_duplicates_is_refused_with_example(database: Data) -> None:
    database.things.insert_many([{"a": 1}, {"a": 7}, {"a": 7}])
    with pytest.raises(ApplyStopped) as stopped:
        apply(database, Index("ix_b", [("b", 1)], why="w"), UNIQUE)
    assert stopped.value.code is ExitCode.REFUSED
    assert "unique index things.ix_a" in str(stopped.value)
    assert '{"a": 7}' in str(stopped.value)
    assert [step.name for step in stopped.value.done] == ["ix_b"]
    assert set(server_indexes(database)) == {"ix_b"}


def test_apply_after_duplicates_are_removed_finishes_the_rest(database: Data) -> None:
    database.things.insert_many([{"a": 7}, {"a": 7}])
    with pytest.raises(ApplyStopped) as stopped:
        apply(database, UNIQUE, Index("ix_b", [("b", 1)], why="w"))
    assert [step.name for step in stopped.value.left] == ["ix_b"]
    database.things.delete_one({"a": 7})
    assert apply(database, UNIQUE, Index("ix_b", [("b", 1)], why="w")) == ["create_index"] * 2


def test_apply_impossible_index_is_refused_by_name(database: Data) -> None:
    impossible = Index("ix_odd", [("a", "nonsense")], why="w")
    with pytest.raises(ApplyStopped, match=r"things\.ix_odd") as stopped:
        apply(database, impossible)
    assert stopped.value.code is ExitCode.REFUSED


def test_plan_unfinished_build_is_drift_and_is_waited_for(connect: Connect) -> None:
    database = connect()
    database.things.insert_many([{"a": str(number)} for number in range(60_000)])
    reasons = set()
    for _ in range(5):  # a build may be over before plan() reads it
        builder = Thread(target=apply, args=(connect(), PLAIN))
        builder.start()
        while builder.is_alive():
            reasons |= {step.reason for step in plan(database, things(PLAIN))}
        builder.join()
        if "being built on the server: waits for it" in reasons:
            break
        database.things.drop_indexes()
    assert "being built on the server: waits for it" in reasons
    assert plan(database, things(PLAIN)) == []


def test_apply_undeclared_validator_is_pruned_only_on_request(database: Data) -> None:
    apply(database, validator={"$jsonSchema": {"required": ["a"]}})
    assert apply(database) == []
    assert apply(database, prune=True) == ["drop_validator"]
    database.things.insert_one({"b": 1})


def test_apply_existing_collection_is_not_recreated(database: Data) -> None:
    database.things.insert_one({"a": 1})
    assert apply(database, PLAIN) == ["create_index"]
    assert database.things.count_documents({}) == 1


def test_plan_server_key_pattern_keeps_its_order(database: Data) -> None:
    database.things.create_index(SON([("b", 1), ("a", 1)]), name="ba")
    [step] = plan(database, things(Index("ba", [("b", 1), ("a", 1)], why="w"), PLAIN))
    assert step.name == "ix_a"
