"""Each kind of step on a real mongod, and the indexes after a refused step."""

from datetime import UTC, datetime

import pytest
from pymongo.errors import DuplicateKeyError, WriteError

from mongo_indexes.apply import ApplyStopped
from mongo_indexes.declare import Index
from mongo_indexes.execute import StepRefused, execute
from mongo_indexes.exit_codes import ExitCode
from mongo_indexes.server import plan
from mongo_indexes.step import Kind, Risk, Step
from tests.mongo_indexes.real_server import PLAIN, UNIQUE, Data, apply, server_indexes, things

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
def test_apply_index_of_any_kind_leaves_no_difference(database: Data, index: Index) -> None:
    apply(database, index)
    assert plan(database, things(index)) == []


def test_apply_other_order_of_keys_makes_two_indexes(database: Data) -> None:
    apply(
        database,
        Index("ab", [("a", 1), ("b", 1)], why="w"),
        Index("ba", [("b", 1), ("a", 1)], why="w"),
    )
    keys = {name: list(index["key"]) for name, index in server_indexes(database).items()}
    assert keys == {"ab": ["a", "b"], "ba": ["b", "a"]}


def test_apply_changed_ttl_is_set_in_place(database: Data) -> None:
    apply(database, Index("ttl", [("at", 1)], why="w", ttl_seconds=60))
    assert apply(database, Index("ttl", [("at", 1)], why="w", ttl_seconds=90)) == ["change_ttl"]
    assert server_indexes(database)["ttl"]["expireAfterSeconds"] == 90


def test_apply_ttl_and_unhide_are_set_in_place(database: Data) -> None:
    apply(database, Index("ix_a", [("a", 1)], why="w", hidden=True))
    with_ttl = Index("ix_a", [("a", 1)], why="w", ttl_seconds=9)
    assert apply(database, with_ttl) == ["change_ttl", "unhide"]
    assert plan(database, things(with_ttl)) == []


def test_apply_removed_ttl_replaces_the_index(database: Data) -> None:
    apply(database, Index("ix_a", [("a", 1)], why="w", ttl_seconds=60))
    assert apply(database, PLAIN) == ["replace_index"]
    assert "expireAfterSeconds" not in server_indexes(database)["ix_a"]


def test_apply_same_name_with_other_keys_is_replaced(database: Data) -> None:
    apply(database, PLAIN)
    assert apply(database, Index("ix_a", [("b", 1)], why="w")) == ["replace_index"]
    assert server_indexes(database)["ix_a"]["key"] == {"b": 1}


def test_apply_other_name_of_the_same_index_is_replaced(database: Data) -> None:
    database.things.create_index([("a", 1)])
    assert apply(database, PLAIN) == ["replace_index"]
    assert set(server_indexes(database)) == {"ix_a"}


def test_apply_plain_index_is_made_unique_in_place(database: Data) -> None:
    apply(database, PLAIN)
    assert apply(database, UNIQUE) == ["make_unique"]
    database.things.insert_one({"a": 1})
    with pytest.raises(DuplicateKeyError):
        database.things.insert_one({"a": 1})


def test_apply_make_unique_over_duplicates_leaves_the_index(database: Data) -> None:
    apply(database, PLAIN)
    before = server_indexes(database)
    database.things.insert_many([{"_id": 1, "a": 7}, {"_id": 2, "a": 7}])
    with pytest.raises(ApplyStopped, match=r"several documents .* such as \[1, 2\]") as stopped:
        apply(database, UNIQUE)
    assert stopped.value.code is ExitCode.REFUSED
    assert server_indexes(database) == before


def test_apply_leftover_prepare_unique_is_finished_or_undone(database: Data) -> None:
    apply(database, PLAIN)
    prepare = {"name": "ix_a", "prepareUnique": True}
    database.command("collMod", "things", index=prepare)
    assert apply(database, PLAIN) == ["allow_duplicates"]
    assert "prepareUnique" not in server_indexes(database)["ix_a"]
    database.command("collMod", "things", index=prepare)
    assert apply(database, UNIQUE) == ["make_unique"]


@pytest.mark.parametrize("old", [[("b", 1)], [("w", "text")]], ids=["btree", "text"])
def test_apply_refused_replacement_restores_the_old_index(
    database: Data, old: list[tuple[str, int | str]]
) -> None:
    apply(database, Index("ix_a", old, why="w"))
    before = server_indexes(database)
    database.things.insert_many([{"a": 7}, {"a": 7}])
    with pytest.raises(ApplyStopped, match="dropped indexes built again: ix_a"):
        apply(database, UNIQUE)
    assert server_indexes(database) == before


def test_execute_unrestorable_index_is_named(database: Data) -> None:
    # As if a duplicate had got in between the drop and the build.
    database.things.insert_many([{"a": 7}, {"a": 7}])
    old = {"v": 2, "key": {"a": 1}, "name": "old", "unique": True}
    replace = Kind.REPLACE_INDEX
    step = Step("things", replace, "ix_a", Risk.DANGEROUS, "w", UNIQUE, drops=(old,))
    with pytest.raises(StepRefused, match="dropped indexes not built again: old"):
        execute(database, step)


def test_apply_parallel_arrays_are_refused_and_old_index_restored(database: Data) -> None:
    apply(database, Index("ix_a", [("b", 1)], why="w"))
    database.things.insert_one({"b": [1], "c": [2]})
    with pytest.raises(ApplyStopped, match="parallel arrays") as stopped:
        apply(database, Index("ix_a", [("c", 1), ("b", 1)], why="w"))
    assert stopped.value.code is ExitCode.REFUSED
    assert server_indexes(database)["ix_a"]["key"] == {"b": 1}


def test_apply_validator_refuses_documents_and_changes_in_place(database: Data) -> None:
    apply(database, validator={"$jsonSchema": {"required": ["a"]}})
    with pytest.raises(WriteError):
        database.things.insert_one({"b": 1})
    assert apply(database, validator={"$jsonSchema": {"required": ["b"]}}) == ["set_validator"]
    database.things.insert_one({"b": 1})
