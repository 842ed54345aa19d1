"""The planned steps, from documents alone."""

from typing import Any

import pytest
from bson import SON

from mongo_indexes.declare import Index
from mongo_indexes.plan import diff
from mongo_indexes.step import Kind, Risk
from tests.mongo_indexes.factories import ID, SCHEMA, index, kinds, server_document, things


def test_diff_as_declared_is_empty() -> None:
    assert diff(things(index()), [ID, server_document()], {}) == []


def test_diff_missing_collection_is_created_with_all_parts() -> None:
    steps = diff(things(index(), validator=SCHEMA), [], None)
    assert kinds(steps) == [
        ("create_collection", ""),
        ("set_validator", "validator"),
        ("create_index", "ix"),
    ]
    assert {step.risk for step in steps} == {Risk.SAFE}


def test_diff_missing_index_is_created_with_its_why() -> None:
    [step] = diff(things(index()), [ID], {}, documents=1_200_000)
    assert (step.kind, step.risk, step.missing) == (Kind.CREATE_INDEX, Risk.SLOW, True)
    assert step.reason == "for the tests (reads about 1,200,000 documents)"


def test_diff_index_on_an_empty_collection_is_safe() -> None:
    assert [step.risk for step in diff(things(index()), [ID], {}, documents=0)] == [Risk.SAFE]


def test_diff_same_name_with_other_order_is_replaced() -> None:
    [step] = diff(things(index("ix", "ab")), [ID, server_document("ix", "ba")], {})
    assert (step.kind, step.risk) == (Kind.REPLACE_INDEX, Risk.DANGEROUS)
    assert step.drops == (server_document("ix", "ba"),)


@pytest.mark.parametrize(
    ("declared", "existing"),
    [
        ({"unique": True}, {}),
        ({"partial": {"b": True}}, {}),
        ({"sparse": True}, {"unique": True}),
        ({"collation": {"locale": "en"}}, {}),
    ],
)
def test_diff_changed_definition_under_new_name_is_added(
    declared: dict[str, Any], existing: dict[str, Any]
) -> None:
    steps = diff(things(index("new", **declared)), [server_document("old", **existing)], {})
    assert kinds(steps) == [("create_index", "new"), ("keep", "old")]


@pytest.mark.parametrize("existing", [{}, {"hidden": True}, {"expireAfterSeconds": 5}])
def test_diff_same_index_under_another_name_is_replaced(
    existing: dict[str, Any],
) -> None:
    [step] = diff(things(index("new")), [server_document("old", **existing)], {})
    assert (step.kind, step.name) == (Kind.REPLACE_INDEX, "new")
    assert [dropped["name"] for dropped in step.drops] == ["old"]
    assert "exists as old" in step.reason


def test_diff_swapped_names_drop_each_index_once() -> None:
    declared = things(index("x", "a"), index("y", "b"))
    steps = diff(declared, [server_document("x", "b"), server_document("y", "a")], {})
    assert kinds(steps) == [("replace_index", "x"), ("create_index", "y")]
    assert sorted(dropped["name"] for dropped in steps[0].drops) == ["x", "y"]


def test_diff_replacements_come_last() -> None:
    declared = things(index("x", "a", sparse=True), index("y", "b"))
    assert kinds(diff(declared, [server_document("x", "a")], {})) == [
        ("create_index", "y"),
        ("replace_index", "x"),
    ]


@pytest.mark.parametrize(
    ("before", "after", "risk"),
    [(60, 90, Risk.SAFE), (90, 60, Risk.DANGEROUS), (None, 60, Risk.DANGEROUS)],
)
def test_diff_shorter_ttl_is_dangerous_and_longer_is_safe(
    before: int | None, after: int, risk: Risk
) -> None:
    existing = server_document() if before is None else server_document(expireAfterSeconds=before)
    [step] = diff(things(index(ttl_seconds=after)), [existing], {})
    assert (step.kind, step.risk) == (Kind.CHANGE_TTL, risk)


def test_diff_ttl_of_nan_is_corrected() -> None:
    existing = server_document(expireAfterSeconds=float("nan"))
    [step] = diff(things(index(ttl_seconds=60)), [existing], {})
    assert (step.kind, step.risk) == (Kind.CHANGE_TTL, Risk.DANGEROUS)


@pytest.mark.parametrize(
    ("declared", "existing", "kind"),
    [
        ({}, {"hidden": True}, Kind.UNHIDE),
        ({"hidden": True}, {}, Kind.HIDE),
        ({"unique": True}, {}, Kind.MAKE_UNIQUE),
        ({"unique": True}, {"prepareUnique": True}, Kind.MAKE_UNIQUE),
        ({}, {"prepareUnique": True}, Kind.ALLOW_DUPLICATES),
    ],
)
def test_diff_change_that_collmod_can_make_is_in_place(
    declared: dict[str, Any], existing: dict[str, Any], kind: Kind
) -> None:
    steps = diff(things(index(**declared)), [server_document(**existing)], {})
    assert kinds(steps) == [(kind, "ix")]


def test_diff_several_changes_in_place_are_several_steps() -> None:
    declared = things(index(unique=True, ttl_seconds=5))
    steps = diff(declared, [server_document(hidden=True, expireAfterSeconds=9)], {})
    assert kinds(steps) == [("change_ttl", "ix"), ("make_unique", "ix"), ("unhide", "ix")]


def test_diff_unique_beside_a_unique_twin_is_replaced() -> None:
    existing = [server_document("ix"), server_document("twin", unique=True)]
    [step] = diff(things(index(unique=True)), existing, {})
    assert step.kind is Kind.REPLACE_INDEX
    assert {dropped["name"] for dropped in step.drops} == {"ix", "twin"}


def test_diff_undeclared_index_is_kept() -> None:
    [step] = diff(things(index()), [ID, server_document(), server_document("mine", "b")], {})
    assert (step.kind, step.name, step.changes) == (Kind.KEEP, "mine", False)


def test_diff_pruned_index_is_hidden_before_it_is_dropped() -> None:
    visible, hidden = server_document("mine", "b"), server_document("mine", "b", hidden=True)
    assert kinds(diff(things(), [visible], {}, prune=True)) == [("hide", "mine")]
    assert kinds(diff(things(), [hidden], {}, prune=True)) == [("drop_index", "mine")]
    assert kinds(diff(things(), [hidden], {})) == [("keep", "mine")]


def test_diff_index_on_id_is_ignored() -> None:
    assert diff(things(), [ID], {}, prune=True) == []


@pytest.mark.parametrize("building", [{"hidden": True}, {}])
def test_diff_undeclared_build_is_kept(building: dict[str, Any]) -> None:
    existing = {"buildUUID": b"1", "spec": server_document("mine", "b", **building)}
    assert kinds(diff(things(), [existing], {}, prune=True)) == [("keep", "mine")]


def test_diff_declared_build_is_waited_for() -> None:
    [step] = diff(things(index()), [{"buildUUID": b"1", "spec": server_document()}], {})
    assert (step.kind, step.missing) == (Kind.CREATE_INDEX, True)
    assert "waits for it" in step.reason


def test_diff_other_build_under_the_name_is_replaced() -> None:
    steps = diff(things(index()), [{"buildUUID": b"1", "spec": server_document("ix", "b")}], {})
    assert kinds(steps) == [("replace_index", "ix")]


def test_diff_second_text_index_replaces_the_first() -> None:
    existing = {"key": SON([("_fts", "text"), ("_ftsx", 1)]), "name": "old", "weights": {"t": 1}}
    [step] = diff(things(Index("new", [("u", "text")], why="w")), [existing], {})
    assert (step.kind, [dropped["name"] for dropped in step.drops]) == (Kind.REPLACE_INDEX, ["old"])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"validator": {"$jsonSchema": {}}},
        {"validator": SCHEMA, "validationLevel": "moderate"},
        {"validator": SCHEMA, "validationAction": "warn"},
    ],
)
def test_diff_missing_other_or_lenient_validator_is_set(options: dict[str, Any]) -> None:
    [step] = diff(things(validator=SCHEMA), [ID], options, documents=5)
    assert (step.kind, step.risk) == (Kind.SET_VALIDATOR, Risk.DANGEROUS)


def test_diff_undeclared_validator_is_kept_unless_pruned() -> None:
    options = {"validator": SCHEMA}
    assert kinds(diff(things(), [ID], options)) == [("keep", "validator")]
    assert kinds(diff(things(), [ID], options, prune=True)) == [("drop_validator", "validator")]
