"""The history of labels is the same for any order of delivery, in Python and in MongoDB."""

import asyncio
import json
import random
from collections.abc import Sequence
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from bson.decimal128 import Decimal128
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.documents.predictions.documents import FEEDBACK
from service.documents.predictions.label_values import from_stored, to_stored
from service.documents.predictions.labels.history import (
    MAX_REVISIONS,
    merge,
    merge_update,
)
from service.documents.predictions.reading.feedback import observation_key, standing, to_document
from service.main import State
from tests.documents.predictions.factories import make_event, post_event
from tests.documents.predictions.labels.factories import (
    make_label,
    post_labels,
    put_label,
    stored_labels,
    stream_labels,
    without_times,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
VALUES = [
    0,
    1,
    -1,
    2**53,
    2**53 + 1,
    2**62,
    0.5,
    -0.5,
    2.0**70,
    True,
    False,
    "",
    "1",
    "é",
    "🦉",
    "￿",
    [],
    [0],
    [True, "1", {"a": 1.0}],
    {"$ref": "a", "$id": 1},
    {"b.c": None, "a": "￿"},
    {"b.c": None, "a": "🦉"},
    Decimal128(str(2**64)),
    Decimal128(str(2**64 + 1)),
    Decimal128(str(-(10**33) - 1)),
    [Decimal128(str(2**64 + 1))],
]
# Three ways to write one number in JSON, and values that are not that number.
LABELS = [0, 0.0, -0.0, 1, 1.0, True, False, "1", 0.5, 2**53, float(2**53), 2**53 + 1]
observations = st.builds(
    lambda label, hours, source, seconds: {
        "label": to_stored(label),
        "observed_at": START + timedelta(hours=hours),
        "source": source,
        "received_at": START + timedelta(days=9, seconds=seconds),
    },
    st.sampled_from(VALUES),
    st.integers(0, 2),
    st.sampled_from(["lab", "audit", "🦉", "￿"]),
    st.integers(0, 3),
)
withdrawals = st.builds(
    lambda observation, optional: {
        "withdrawn": True,
        **{name: value for name, value in observation.items() if name not in optional},
    },
    observations,
    st.sets(st.sampled_from(["label", "source"])),
)
steps = observations | withdrawals


def typed(document: Any) -> Any:
    """Return the labels with their types, because Python compares 1 and true as equal."""
    return [
        (observation_key(item), isinstance(item.get("label"), bool))
        for item in (*document["history"], *filter(None, [document.get("latest")]))
    ]


def received_together(items: Sequence[dict[str, Any]], seconds: int) -> list[dict[str, Any]]:
    received_at = START + timedelta(days=9, seconds=seconds)
    return [{**item, "received_at": received_at} for item in items]


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    deliveries=st.lists(
        st.tuples(st.lists(steps, min_size=1, max_size=8), st.integers(0, 3)),
        min_size=1,
        max_size=4,
    )
)
def test_merge_in_mongodb_and_in_python_is_the_same(
    deliveries: list[tuple[list[dict[str, Any]], int]], sync_feedback: Any
) -> None:
    prediction_id = uuid4()
    history: list[dict[str, Any]] = []
    for items, seconds in deliveries:
        together = received_together(items, seconds)
        history, _ = merge(history, together)
        sync_feedback.update_one({"_id": prediction_id}, merge_update(together), upsert=True)
    in_mongodb = sync_feedback.find_one({"_id": prediction_id})
    in_python = to_document(prediction_id, history)
    assert in_mongodb == in_python
    assert typed(in_mongodb) == typed(in_python)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(items=st.lists(steps, min_size=1, max_size=12), order=st.randoms())
def test_merge_in_any_order_and_repeated_is_the_same(
    items: list[dict[str, Any]], order: random.Random
) -> None:
    once, changes = merge([], items)
    before = deepcopy(once)
    delivered = order.sample(items * 2, len(items) * 2)
    history: list[dict[str, Any]] = []
    for start in range(0, len(delivered), 3):
        history, _ = merge(history, delivered[start : start + 3])
    assert (typed(to_document(0, history)), history) == (typed(to_document(0, once)), once)
    assert merge(history, items) == (before, ["unchanged"] * len(items))
    if not any("withdrawn" in item for item in items):
        assert changes.count("labelled") == 1
        assert changes[0] == "labelled"


@given(history=st.lists(steps, max_size=12))
def test_standing_is_what_no_withdrawal_takes_back(history: list[dict[str, Any]]) -> None:
    history, _ = merge([], history)
    labels = [item for item in history if "withdrawn" not in item]
    taken_back: list[Any] = []
    for withdrawal in history:
        if "withdrawn" in withdrawal:
            named = {name: withdrawal[name] for name in ("source", "label") if name in withdrawal}
            meant = [
                item
                for item in labels
                if item["observed_at"] <= withdrawal["observed_at"]
                and all(same(item[name], value) for name, value in named.items())
            ]
            taken_back += map(observation_key, meant[-1:])
    left = [item for item in map(observation_key, labels) if item not in taken_back]
    assert [*map(observation_key, standing(history))] == left


def same(one: object, other: object) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


@given(value=st.sampled_from(VALUES))
def test_stored_label_is_given_back(value: Any) -> None:
    as_sent = {"label": value}
    value = json.loads(json.dumps(as_sent, default=from_stored))["label"]
    assert same(from_stored(to_stored(as_sent["label"])), value)


def test_merge_beyond_the_bytes_of_a_history_keeps_it_in_both(sync_feedback: Any) -> None:
    """Labels of 64 KiB, with a short one and known ones between them."""
    labels: list[Any] = [[number, "x" * 65_000] for number in range(70)]
    items = received_together(
        [
            {"label": to_stored(label), "observed_at": START, "source": "lab"}
            for label in (1, *labels[:30], 2, *labels[20:])
        ],
        0,
    )
    history, changes = merge([], items)
    first, second = items[:25], items[25:]
    twice, more = merge(merge([], first)[0], second)
    key, other = uuid4(), uuid4()
    sync_feedback.update_one({"_id": key}, merge_update(items), upsert=True)
    sync_feedback.update_one({"_id": other}, merge_update(first), upsert=True)
    sync_feedback.update_one({"_id": other}, merge_update(second))
    assert sync_feedback.find_one({"_id": key}) == to_document(key, history)
    assert sync_feedback.find_one({"_id": other}) == to_document(other, twice)
    for result, size in ((changes, len(history)), (more, len(twice))):
        assert result[-1] == "full"
        assert 50 < size < 70


def test_merge_into_a_full_history_keeps_it_in_both(sync_feedback: Any) -> None:
    items = [
        {"label": label, "observed_at": START, "source": "lab", "received_at": START}
        for label in range(MAX_REVISIONS + 3)
    ]
    full = uuid4()
    history, changes = merge([], items)
    assert changes[-4:] == ["revised", "full", "full", "full"]
    assert len(history) == MAX_REVISIONS
    sync_feedback.update_one({"_id": full}, merge_update(items[:400]), upsert=True)
    sync_feedback.update_one({"_id": full}, merge_update(items[200:]), upsert=True)
    assert sync_feedback.find_one({"_id": full}) == to_document(full, history)


def _deliveries(ids: list[UUID], chance: random.Random) -> list[dict[str, Any]]:
    return [
        make_label(key, chance.randint(1, 3), label=label, source=chance.choice(["lab", "audit"]))
        for key in ids
        for label in chance.sample(LABELS, 4)
    ]


async def _deliver(
    client: httpx2.AsyncClient, labels: list[dict[str, Any]], chance: random.Random
) -> None:
    """Send the labels in parts, each in one of three ways, some concurrently."""
    parts = []
    while labels:
        size = chance.choice([1, 1, 2, 7, 30, 100])
        part, labels = labels[:size], labels[size:]
        if size == 1:
            parts.append(put_label(client, part[0]))
        else:
            parts.append(chance.choice([post_labels, stream_labels])(client, part))
    while parts:
        at_once = chance.randint(1, 8)
        await asyncio.gather(*parts[:at_once])
        parts = parts[at_once:]


@pytest.mark.parametrize("seed", range(3))
async def test_labels_delivered_in_any_way_end_the_same(
    client: httpx2.AsyncClient, state: State, seed: int
) -> None:
    """In any order and number, one by one, in batches and streams, and concurrently."""
    ids = [uuid4() for _ in range(20)]
    labels = _deliveries(ids, random.Random(seed))
    await _deliver(client, labels, random.Random(0))
    expected = {key: without_times(item) for key, item in (await stored_labels(state)).items()}
    assert len(expected) == 20
    feedback = state["mongo"].database[FEEDBACK]
    for again in range(3):
        await feedback.delete_many({})
        chance = random.Random(f"{seed} {again}")
        await _deliver(client, chance.sample(labels * 2, len(labels) * 2), chance)
        stored = {key: without_times(item) for key, item in (await stored_labels(state)).items()}
        assert stored == expected


async def test_labels_concurrent_with_their_predictions_belong_to_them(
    client: httpx2.AsyncClient,
) -> None:
    events = [make_event() for _ in range(30)]
    labels = [make_label(event["prediction_id"], day) for event in events for day in (1, 2)]
    await asyncio.gather(
        *(post_event(client, event) for event in events),
        *(post_labels(client, labels[start::4]) for start in range(4)),
    )
    for event in events:
        prediction = (await client.get(f"/v1/predictions/{event['prediction_id']}")).json()
        feedback = prediction["feedback"]
        assert (feedback["version"], feedback["pending"]) == (2, False)
    body = await post_labels(client, labels)
    assert (body["unchanged"], body["pending"]) == (60, 0)
