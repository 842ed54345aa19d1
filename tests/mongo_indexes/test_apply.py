"""Plans carried out on a real mongod."""

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import SON
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, OperationFailure, WriteError

from mongo_indexes.apply import ApplyStopped, apply_all
from mongo_indexes.declare import Collection, Index
from mongo_indexes.lock import LOCKS
from mongo_indexes.perform import Refused, perform
from mongo_indexes.server import plan
from mongo_indexes.step import Kind, Risk, Step
from mongo_indexes.verdict import ExitCode

Data = Database[dict[str, Any]]

MOMENT = datetime(2026, 11, 20, 12, tzinfo=UTC)
PLAIN = Index("ix_a", [("a", 1)], why="w")
UNIQUE = Index("ix_a", [("a", 1)], why="w", unique=True)


def things(*indexes: Index, **options: Any) -> list[Collection]:
    return [Collection(name="things", why="for the tests", indexes=indexes, **options)]


def make(database: Data, *indexes: Index, prune: bool = False, **options: Any) -> list[str]:
    steps = apply_all(database, collections=things(*indexes, **options), prune=prune)
    return [str(step.kind) for step in steps]


def existing(database: Data) -> dict[str, dict[str, Any]]:
    found = {index["name"]: dict(index) for index in database.things.list_indexes()}
    found.pop("_id_", None)
    return found


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


@pytest.mark.parametrize(
    "index",
    [
        Index("down", [("a", 1), ("b", -1)], why="w"),
        Index("part", [("a", 1)], why="w", partial={"b": {"$gt": 1.0}, "at": {"$lt": MOMENT}}),
        Index("ttl", [("a", 1)], why="w", ttl_seconds=0),
        Index("hidden", [("a", 1)], why="w", hidden=True, sparse=True, unique=True),
        Index("words", [("k", 1), ("t", "text"), ("u", "text")], why="w", weights={"u": 5}),
        Index("german", [("t", "text")], why="w", default_language="german"),
        Index("wild", [("attributes.$**", 1)], why="w"),
        Index("some", [("$**", 1)], why="w", wildcard_projection={"secret": 0}),
        Index("place", [("g", "2dsphere"), ("a", 1)], why="w"),
        Index("hash", [("a", "hashed")], why="w"),
        Index("nocase", [("a", 1)], why="w", collation={"locale": "en", "strength": 2}),
        *(
            Index(locale, [("a", 1)], why="w", collation={"locale": locale})
            for locale in ("en", "da", "fr_CA", "th", "vi", "simple", "de@collation=phonebook")
        ),
    ],
    ids=lambda index: index.name,
)
def test_index_of_any_kind_is_as_declared_once_it_is_made(database: Data, index: Index) -> None:
    make(database, index)
    assert plan(database, things(index)) == []


def test_index_inherits_the_collation_of_its_collection(database: Data) -> None:
    database.create_collection("things", collation={"locale": "fr_CA"})
    make(database, PLAIN)
    assert existing(database)["ix_a"]["collation"]["backwards"] is True
    assert plan(database, things(PLAIN)) == []


def test_order_of_keys_makes_two_indexes(database: Data) -> None:
    make(
        database,
        Index("ab", [("a", 1), ("b", 1)], why="w"),
        Index("ba", [("b", 1), ("a", 1)], why="w"),
    )
    keys = {name: list(index["key"]) for name, index in existing(database).items()}
    assert keys == {"ab": ["a", "b"], "ba": ["b", "a"]}


def test_ttl_is_changed_by_collmod_without_a_new_build(database: Data) -> None:
    make(database, Index("ttl", [("at", 1)], why="w", ttl_seconds=60))
    assert make(database, Index("ttl", [("at", 1)], why="w", ttl_seconds=90)) == ["change_ttl"]
    assert existing(database)["ttl"]["expireAfterSeconds"] == 90


def test_plain_index_gets_a_ttl_and_is_unhidden_in_place(database: Data) -> None:
    make(database, Index("ix_a", [("a", 1)], why="w", hidden=True))
    with_ttl = Index("ix_a", [("a", 1)], why="w", ttl_seconds=9)
    assert make(database, with_ttl) == ["change_ttl", "unhide"]
    assert plan(database, things(with_ttl)) == []


def test_ttl_that_is_no_longer_declared_is_replaced(database: Data) -> None:
    make(database, Index("ix_a", [("a", 1)], why="w", ttl_seconds=60))
    assert make(database, PLAIN) == ["replace_index"]
    assert "expireAfterSeconds" not in existing(database)["ix_a"]


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


def test_same_name_is_replaced(database: Data) -> None:
    make(database, PLAIN)
    assert make(database, Index("ix_a", [("b", 1)], why="w")) == ["replace_index"]
    assert existing(database)["ix_a"]["key"] == {"b": 1}


def test_swapped_names_are_put_right(database: Data) -> None:
    make(database, Index("x", [("a", 1)], why="w"), Index("y", [("b", 1)], why="w"))
    swapped = (Index("x", [("b", 1)], why="w"), Index("y", [("a", 1)], why="w"))
    assert make(database, *swapped) == ["replace_index", "create_index"]
    assert plan(database, things(*swapped)) == []


def test_other_name_of_the_same_index_is_replaced(database: Data) -> None:
    database.things.create_index([("a", 1)])
    assert make(database, PLAIN) == ["replace_index"]
    assert set(existing(database)) == {"ix_a"}


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


def test_plain_index_is_made_unique_in_place(database: Data) -> None:
    make(database, PLAIN)
    assert make(database, UNIQUE) == ["make_unique"]
    database.things.insert_one({"a": 1})
    with pytest.raises(DuplicateKeyError):
        database.things.insert_one({"a": 1})


def test_index_over_duplicates_is_not_made_unique_and_stays_as_it_was(database: Data) -> None:
    make(database, PLAIN)
    before = existing(database)
    database.things.insert_many([{"_id": 1, "a": 7}, {"_id": 2, "a": 7}])
    with pytest.raises(ApplyStopped, match=r"several documents .* such as \[1, 2\]") as stopped:
        make(database, UNIQUE)
    assert stopped.value.code is ExitCode.REFUSED
    assert existing(database) == before


def test_prepare_unique_left_by_a_killed_runner_is_finished_or_taken_back(database: Data) -> None:
    make(database, PLAIN)
    prepare = {"name": "ix_a", "prepareUnique": True}
    database.command("collMod", "things", index=prepare)
    assert make(database, PLAIN) == ["allow_duplicates"]
    assert "prepareUnique" not in existing(database)["ix_a"]
    database.command("collMod", "things", index=prepare)
    assert make(database, UNIQUE) == ["make_unique"]


@pytest.mark.parametrize("old", [[("b", 1)], [("w", "text")]], ids=["btree", "text"])
def test_refused_replacement_puts_the_old_index_back(
    database: Data, old: list[tuple[str, int | str]]
) -> None:
    make(database, Index("ix_a", old, why="w"))
    before = existing(database)
    database.things.insert_many([{"a": 7}, {"a": 7}])
    with pytest.raises(ApplyStopped, match=r"dropped \(ix_a\) was built again"):
        make(database, UNIQUE)
    assert existing(database) == before


def test_old_index_that_cannot_be_put_back_is_named(database: Data) -> None:
    # As if a duplicate had got in between the drop and the build.
    database.things.insert_many([{"a": 7}, {"a": 7}])
    old = {"v": 2, "key": {"a": 1}, "name": "old", "unique": True}
    replace = Kind.REPLACE_INDEX
    step = Step("things", replace, "ix_a", Risk.DANGEROUS, "w", UNIQUE, drops=(old,))
    with pytest.raises(Refused, match=r"dropped \(old\) could not be built again"):
        perform(database, step)


def test_index_over_parallel_arrays_is_refused_and_the_old_one_put_back(database: Data) -> None:
    make(database, Index("ix_a", [("b", 1)], why="w"))
    database.things.insert_one({"b": [1], "c": [2]})
    with pytest.raises(ApplyStopped, match="parallel arrays") as stopped:
        make(database, Index("ix_a", [("c", 1), ("b", 1)], why="w"))
    assert stopped.value.code is ExitCode.REFUSED
    assert existing(database)["ix_a"]["key"] == {"b": 1}


def test_index_that_mongodb_cannot_make_is_refused_by_name(database: Data) -> None:
    impossible = Index("ix_odd", [("a", "nonsense")], why="w")
    with pytest.raises(ApplyStopped, match=r"things\.ix_odd") as stopped:
        make(database, impossible)
    assert stopped.value.code is ExitCode.REFUSED


def test_validator_refuses_what_does_not_fit_and_is_changed_in_place(database: Data) -> None:
    make(database, validator={"$jsonSchema": {"required": ["a"]}})
    with pytest.raises(WriteError):
        database.things.insert_one({"b": 1})
    assert make(database, validator={"$jsonSchema": {"required": ["b"]}}) == ["set_validator"]
    database.things.insert_one({"b": 1})


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
