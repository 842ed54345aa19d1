"""Collections on a real mongod that cannot become what is declared, and the whole run's refusal."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from bson.binary import Binary
from pymongo.errors import OperationFailure
from typer.testing import CliRunner

from mongo_indexes import commands
from mongo_indexes.__main__ import app
from mongo_indexes.apply import ApplyRefused, apply_all, changes
from mongo_indexes.declare import CollectionSpec
from mongo_indexes.exit_codes import ExitCode
from mongo_indexes.lock import lease
from mongo_indexes.server import plan
from mongo_indexes.step import Kind
from tests.mongo_indexes.conftest import Connect
from tests.mongo_indexes.factories import kinds
from tests.mongo_indexes.real_server import PLAIN, Data

SECRET = {"path": "secret", "bsonType": "string", "keyId": Binary(b"0" * 16, 4)}
STATES = {state: f"enxcol_.planted.{state[:-10]}" for state in ("escCollection", "ecocCollection")}
ENCRYPTED = {**STATES, "eccCollection": "enxcol_.planted.ecc", "fields": [SECRET]}
HARMFUL: dict[str, tuple[dict[str, Any], str]] = {
    "view": ({"viewOn": "base", "pipeline": []}, "is a view of base"),
    "view_with_collation": (
        {"viewOn": "base", "pipeline": [], "collation": {"locale": "fr"}},
        "is a view of base",
    ),
    "time_series": ({"timeseries": {"timeField": "at"}}, "is a time series"),
    "capped": ({"capped": True, "size": 4096}, "is capped"),
    "collation": ({"collation": {"locale": "fr", "strength": 2}}, "collation (fr, strength 2)"),
    "encrypted": ({"encryptedFields": ENCRYPTED}, "has encrypted fields (secret)"),
}
HARMLESS: dict[str, dict[str, Any]] = {
    "clustered": {"clusteredIndex": {"key": {"_id": 1}, "unique": True, "name": "mine"}},
    "simple_collation": {"collation": {"locale": "simple"}},
    "no_encrypted_field": {"encryptedFields": {**ENCRYPTED, "fields": []}},
    "images": {"changeStreamPreAndPostImages": {"enabled": True}},
    "compressed": {"storageEngine": {"wiredTiger": {"configString": "block_compressor=zlib"}}},
}


def spec(name: str) -> CollectionSpec:
    return CollectionSpec(name=name, why="for the tests", indexes=(PLAIN,))


@contextmanager
def unchanged(database: Data) -> Iterator[None]:
    """Assert that collections, options and indexes are the same afterwards."""

    def state() -> list[Any]:
        found = sorted(database.list_collections(), key=lambda collection: collection["name"])
        plain = [c["name"] for c in found if c["type"] == "collection"]
        indexes = [database[name].index_information() for name in plain if "system." not in name]
        return [found, indexes]

    before = state()
    yield
    assert state() == before


@pytest.mark.parametrize(("options", "reason"), HARMFUL.values(), ids=HARMFUL)
def test_plan_harmful_collection_is_refused(
    database: Data, options: dict[str, Any], reason: str
) -> None:
    database.command("create", "planted", **options)
    [step] = plan(database, [spec("planted")], prune=True)
    assert (step.kind, step.changes, step.target) == (Kind.REFUSE, False, "planted")
    assert reason in step.reason


@pytest.mark.parametrize("options", HARMLESS.values(), ids=HARMLESS)
def test_apply_harmless_option_is_no_difference(database: Data, options: dict[str, Any]) -> None:
    database.command("create", "planted", **options)
    done = apply_all(database, collections=[spec("planted")], prune=True)
    assert kinds(done) == [("create_index", "ix_a")]
    assert plan(database, [spec("planted")], prune=True) == []


def test_plan_every_reason_is_a_step(database: Data) -> None:
    database.create_collection("planted", capped=True, size=4096, collation={"locale": "da"})
    reasons = [step.reason for step in plan(database, [spec("planted")])]
    assert [reason.split(":")[0] for reason in reasons] == [
        "is capped",
        "has a default collation (da, strength 3) that is not declared",
    ]


def test_plan_view_whose_pipeline_fails_is_not_read(database: Data) -> None:
    fails = [{"$match": {"$expr": {"$ln": "$b"}}}]
    database.create_collection("planted", viewOn="base", pipeline=fails)
    database.base.insert_one({"b": "text"})
    with pytest.raises(OperationFailure):
        database.planted.estimated_document_count()
    assert kinds(plan(database, [spec("planted")])) == [("refuse", "")]


def test_apply_buckets_without_their_time_series_are_refused(database: Data) -> None:
    database.command("create", "system.buckets.planted", timeseries={"timeField": "at"})
    assert "planted" not in database.list_collection_names()
    [step] = plan(database, [spec("planted")])
    assert "system.buckets.planted" in step.reason
    database.drop_collection("system.buckets.planted")
    assert len(apply_all(database, collections=[spec("planted")])) == 2


@pytest.mark.parametrize(("options", "reason"), HARMFUL.values(), ids=HARMFUL)
def test_apply_refuses_before_the_first_step_of_any_collection(
    database: Data, options: dict[str, Any], reason: str
) -> None:
    database.existing.insert_one({"a": 1})
    database.command("create", "planted", **options)
    declared = [spec("existing"), spec("planted"), spec("new")]
    lines: list[str] = []
    with unchanged(database), pytest.raises(ApplyRefused) as refused:
        apply_all(database, lines.append, collections=declared)
    assert lines == []
    assert "nothing was changed, because\nplanted " in str(refused.value)
    assert reason in str(refused.value)
    assert kinds(refused.value.refused) == [("refuse", "")]
    assert [step.target for step in refused.value.left] == ["existing.ix_a", "new", "new.ix_a"]
    # Without the planted collection the same run does its steps.
    database.drop_collection("planted")
    done = [step.target for step in apply_all(database, collections=declared)]
    assert done == ["existing.ix_a", "planted", "planted.ix_a", "new", "new.ix_a"]


def test_apply_with_nothing_else_to_do_is_refused(database: Data) -> None:
    database.create_collection("planted", viewOn="base", pipeline=[])
    with pytest.raises(ApplyRefused):
        changes(database, [spec("planted")], prune=False)


def test_apply_remedy_for_capped_collection_works(database: Data) -> None:
    database.create_collection("planted", capped=True, size=4096).insert_one({"a": 1})
    database.planted.rename("planted_before")
    apply_all(database, collections=[spec("planted")])
    database.planted_before.aggregate([{"$merge": "planted"}])
    assert plan(database, [spec("planted")]) == []
    assert database.planted.count_documents({"a": 1}) == 1


def test_apply_view_made_while_it_waits_for_the_lock_is_refused(connect: Connect) -> None:
    database = connect()
    lines: list[str] = []
    with ExitStack() as other:
        other.enter_context(lease(connect(), wait=0))

        def plant_and_release(line: str) -> None:
            lines.append(line)
            database.create_collection("planted", viewOn="base", pipeline=[])
            other.close()

        declared = [spec("new"), spec("planted")]
        with pytest.raises(ApplyRefused):
            apply_all(database, plant_and_release, collections=declared)
    assert [line.partition(" ")[0] for line in lines] == ["waiting"]
    assert "new" not in database.list_collection_names()


# -- commands --------------------------------------------------------------------------------------


def test_run_apply_refused_exits_with_3_and_text(
    database: Data, mongodb_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    database.create_collection("planted", viewOn="base", pipeline=[])
    declared = [spec("new"), spec("planted")]
    names: dict[str, Any] = {"database": database.name, "collections": declared}
    with unchanged(database):
        for yes in (True, False):
            code = commands.run_apply(mongodb_url, **names, yes=yes)
            output = capsys.readouterr()
            assert (code, output.out) == (ExitCode.REFUSED, "")
            assert output.err.startswith("nothing was changed, because\nplanted is a view of base")
    assert commands.run_apply(mongodb_url, **names, yes=True, only=["new"]) == ExitCode.CLEAN


@pytest.mark.parametrize("yes", [("--yes",), ()], ids=["yes", "no_terminal"])
def test_apply_refused_json_has_reasons_and_steps_left(
    database: Data, mongodb_url: str, yes: tuple[str, ...]
) -> None:
    database.create_collection("feedback", capped=True, size=4096)
    arguments = ["--database", database.name, "--url", mongodb_url, "--json"]
    with unchanged(database):
        result = CliRunner().invoke(app, ["apply", *yes, *arguments])
    output = json.loads(result.stdout)
    assert (result.exit_code, output["error"]["code"], output["done"]) == (3, "refused", [])
    [step] = output["refused"]
    assert (step["collection"], step["kind"], step["changes"]) == ("feedback", "refuse", False)
    left = {step["collection"] for step in output["left"]}
    assert "items" in left
    assert "feedback" not in left


def test_plan_and_check_show_the_refused_collection(database: Data, mongodb_url: str) -> None:
    database.create_collection("feedback", viewOn="base", pipeline=[])
    arguments = ["--database", database.name, "--url", mongodb_url]
    planned = CliRunner().invoke(app, ["plan", *arguments])
    assert planned.exit_code == 0
    assert "feedback: is a view of base" in planned.stdout
    assert planned.stdout.splitlines()[-1].endswith(
        " to do, 1 refused: apply does nothing until that is corrected"
    )
    checked = CliRunner().invoke(app, ["check", *arguments, "--only", "feedback"])
    assert (checked.exit_code, "feedback: is a view of base" in checked.stdout) == (2, True)
