"""The label of one prediction: a history in the order of its observations."""

import asyncio
import json
import random
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx2
import pytest

from service.documents.predictions.documents import FEEDBACK
from service.documents.predictions.ids import to_uuid
from service.main import State
from service.stores.mongo.client import now
from service.web.schemas import format_time
from tests.documents.predictions.factories import JSON, make_event, post_event

STRUCTURED: list[Any] = [
    "x" * 65_534,
    [],
    [1, [True, None], {"": []}],
    {"$ref": "a", "$id": 1, "$db": "b"},
    {"b.c": {"$ne": None}, "a": 0.5, "$": ["ü", "🦉"]},
    {"json": "text"},
]
DAYS = [f"2026-01-{day:02d}T00:00:00.000Z" for day in range(1, 29)]


def _label(day: int, label: Any = 1, source: str = "lab") -> dict[str, Any]:
    return {"label": label, "observed_at": DAYS[day], "source": source}


async def _put(client: httpx2.AsyncClient, prediction_id: object, label: object) -> httpx2.Response:
    path = f"/v1/predictions/{prediction_id}/feedback"
    return await client.put(path, content=json.dumps(label), headers=JSON)


def _history(feedback: Any) -> list[tuple[str, str, Any]]:
    return [(item["observed_at"], item["source"], item["label"]) for item in feedback["history"]]


async def test_feedback_is_returned_with_its_prediction(client: httpx2.AsyncClient) -> None:
    event = make_event()
    await post_event(client, event)
    response = await _put(client, event["prediction_id"], _label(3))
    assert (response.status_code, response.headers["etag"]) == (200, '"1"')
    feedback = response.json()
    assert (feedback["label"], feedback["observed_at"]) == (1, DAYS[3])
    assert feedback["pending"] is False
    prediction = (await client.get(f"/v1/predictions/{event['prediction_id']}")).json()
    assert prediction["feedback"] == feedback


async def test_feedback_before_its_prediction_is_pending(client: httpx2.AsyncClient) -> None:
    event = make_event()
    early = (await _put(client, event["prediction_id"], _label(3))).json()
    assert early["pending"] is True
    assert (await post_event(client, event)).status_code == 201
    prediction = (await client.get(f"/v1/predictions/{event['prediction_id']}")).json()
    assert prediction["feedback"] == {**early, "pending": False}


async def test_feedback_in_any_order_and_repeated_ends_the_same(client: httpx2.AsyncClient) -> None:
    labels = [_label(2, 0), _label(5, 1), _label(5, 1, "audit"), _label(5, 0), _label(9, 1)]
    expected = [
        (DAYS[2], "lab", 0),
        (DAYS[5], "audit", 1),
        (DAYS[5], "lab", 0),
        (DAYS[5], "lab", 1),
        (DAYS[9], "lab", 1),
    ]
    for seed in range(3):
        deliveries = random.Random(seed).sample(labels * 2, len(labels) * 2)
        prediction_id = uuid4()
        for label in deliveries:
            response = await _put(client, prediction_id, label)
        feedback = response.json()
        assert _history(feedback) == expected
        assert (feedback["label"], feedback["observed_at"]) == (1, DAYS[9])
        assert feedback["version"] == 5


async def test_feedback_observed_earlier_does_not_become_the_latest(
    client: httpx2.AsyncClient,
) -> None:
    prediction_id = uuid4()
    await _put(client, prediction_id, _label(9, "cat"))
    late = (await _put(client, prediction_id, _label(1, "dog"))).json()
    assert (late["label"], late["version"]) == ("cat", 2)


async def test_feedback_concurrent_is_stored_once_each(
    client: httpx2.AsyncClient, state: State
) -> None:
    prediction_id = uuid4()
    labels = [_label(number % 28, number // 2) for number in range(30)]
    responses = await asyncio.gather(
        *(_put(client, prediction_id, label) for label in labels + labels)
    )
    assert {response.status_code for response in responses} == {200}
    feedback = (await _put(client, prediction_id, labels[0])).json()
    assert _history(feedback) == sorted(
        (label["observed_at"], label["source"], label["label"]) for label in labels
    )
    assert await state["mongo"].database[FEEDBACK].count_documents({}) == 1


@pytest.mark.parametrize("label", [1, 0, -(2**63), True, False, 2.5, "malignant", "", *STRUCTURED])
async def test_feedback_of_each_type_keeps_its_type(client: httpx2.AsyncClient, label: Any) -> None:
    feedback = (await _put(client, uuid4(), _label(1, label))).json()
    assert feedback["label"] == label
    assert type(feedback["label"]) is type(label)


async def test_full_history_rejects_a_new_label_and_accepts_a_stored_one(
    client: httpx2.AsyncClient, state: State
) -> None:
    prediction_id = uuid4()
    await _put(client, prediction_id, _label(1))
    feedback = state["mongo"].database[FEEDBACK]
    (first,) = (await feedback.find_one({"_id": prediction_id}) or {})["history"]
    full = [{**first, "label": number} for number in range(1000)]
    await feedback.update_one({"_id": prediction_id}, {"$set": {"history": full}})
    assert (await _put(client, prediction_id, _label(1, 999))).status_code == 200
    response = await _put(client, prediction_id, _label(1, 1000))
    assert (response.status_code, response.json()["code"]) == (409, "too_many_revisions")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"label": None}, "/label"),
        ({"label": "x" * 65_535}, "/label"),
        ({"label": ["\u00fc" * 32_767]}, "/label"),
        ({"observed_at": "2026-01-01T00:00:00"}, "/observed_at"),
        ({"withdrawn": True}, "/withdrawn"),
        ({"observed_at": "0001-01-01T00:00:00+14:00"}, "/observed_at"),
        ({"observed_at": "2200-01-01T00:00:00Z"}, "/observed_at"),
        ({"source": ""}, "/source"),
        ({"source": 7}, "/source"),
        ({"colour": "red"}, "/colour"),
        ({"label": 10**34}, "/label"),
        ({"label": {"a": [10**40]}}, "/label"),
        ({"label": ["\ud800"]}, "/label/0"),
        ({"label": {"a\x00": 1}}, "/label/a\x00"),
        ({"label": "\x00"}, "/label"),
    ],
)
async def test_feedback_invalid_is_rejected_with_a_pointer(
    client: httpx2.AsyncClient, change: dict[str, Any], pointer: str
) -> None:
    response = await _put(client, uuid4(), {**_label(1), **change})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"].startswith(pointer)


async def test_feedback_without_label_and_time_is_rejected(client: httpx2.AsyncClient) -> None:
    response = await _put(client, uuid4(), {})
    errors = response.json()["errors"]
    assert [error["pointer"] for error in errors] == ["/label", "/observed_at"]
    assert (await _put(client, "n" * 129, _label(1))).status_code == 422


async def test_feedback_structured_is_equal_for_any_order_of_keys(
    client: httpx2.AsyncClient,
) -> None:
    prediction_id = uuid4()
    boxes = {"boxes": [{"x": 1, "y": 2.0}], "n": 1}
    await _put(client, prediction_id, _label(1, boxes))
    again = {"n": 1.0, "boxes": [{"y": 2, "x": 1}]}
    feedback = (await _put(client, prediction_id, _label(1, again))).json()
    assert (feedback["version"], feedback["label"]) == (1, boxes)


async def test_feedback_of_the_future_is_rejected_and_the_true_one_counts(
    client: httpx2.AsyncClient,
) -> None:
    prediction_id = uuid4()
    near = {"label": 1, "observed_at": format_time(now() + timedelta(minutes=59))}
    for far in (timedelta(minutes=61), timedelta(days=36_500)):
        wrong = {"label": 0, "observed_at": format_time(now() + far)}
        response = await _put(client, prediction_id, wrong)
        assert response.status_code == 422
        (error,) = response.json()["errors"]
        assert (error["pointer"], error["code"]) == ("/observed_at", "in_the_future")
    assert (await _put(client, prediction_id, near)).json()["version"] == 1


@pytest.mark.parametrize("sent_id", ["order-7/é #1", "a/feedback", "0" * 128, "{01930d6e}"])
async def test_feedback_of_an_id_that_is_text_is_found_by_it(
    client: httpx2.AsyncClient, sent_id: str
) -> None:
    path = quote(sent_id, safe="/")
    feedback = (await _put(client, path, _label(3))).json()
    assert (feedback["prediction_id"], feedback["pending"]) == (sent_id, True)
    again = (await _put(client, str(to_uuid(sent_id)), _label(3))).json()
    assert again["version"] == 1


async def test_feedback_of_a_uuid_in_capitals_is_answered_canonically(
    client: httpx2.AsyncClient,
) -> None:
    prediction_id = uuid4()
    feedback = (await _put(client, prediction_id.hex.upper(), _label(3))).json()
    assert feedback["prediction_id"] == str(prediction_id)
