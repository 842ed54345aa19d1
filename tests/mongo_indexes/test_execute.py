"""Each kind of step on a real mongod, and what its refusal leaves behind."""

from datetime import UTC, datetime

import pytest
from pymongo.errors import DuplicateKeyError, WriteError

from mongo_indexes.apply import ApplyStopped
from mongo_indexes.declare import Index
from mongo_indexes.execute import Refused, perform
from mongo_indexes.exit_codes import ExitCode
from mongo_indexes.server import plan
from mongo_indexes.step import Kind, Risk, Step
from tests.mongo_indexes.applied import PLAIN, UNIQUE, Data, existing, make, things

MOMENT = datetime(2026, 11, 20, 12, tzinfo=UTC)


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


def test_same_name_is_replaced(database: Data) -> None:
    make(database, PLAIN)
    assert make(database, Index("ix_a", [("b", 1)], why="w")) == ["replace_index"]
    assert existing(database)["ix_a"]["key"] == {"b": 1}


def test_other_name_of_the_same_index_is_replaced(database: Data) -> None:
    database.things.create_index([("a", 1)])
    assert make(database, PLAIN) == ["replace_index"]
    assert set(existing(database)) == {"ix_a"}


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


def test_validator_refuses_what_does_not_fit_and_is_changed_in_place(database: Data) -> None:
    make(database, validator={"$jsonSchema": {"required": ["a"]}})
    with pytest.raises(WriteError):
        database.things.insert_one({"b": 1})
    assert make(database, validator={"$jsonSchema": {"required": ["b"]}}) == ["set_validator"]
    database.things.insert_one({"b": 1})
