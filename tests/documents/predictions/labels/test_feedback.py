"""What turned out to be true: a history whose order is that of the observations."""

import asyncio
import random
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from service.documents.predictions.documents import FEEDBACK
from service.main import State
from tests.documents.predictions.factories import make_event, post_event

DAYS = [f"2026-01-{day:02d}T00:00:00.000Z" for day in range(1, 29)]


def _said(day: int, label: Any = 1, source: str = "lab") -> dict[str, Any]:
    return {"label": label, "observed_at": DAYS[day], "source": source}


async def _put(client: httpx2.AsyncClient, prediction_id: object, told: object) -> httpx2.Response:
    return await client.put(f"/v1/predictions/{prediction_id}/feedback", json=told)


def _history(feedback: Any) -> list[tuple[str, str, Any]]:
    return [(each["observed_at"], each["source"], each["label"]) for each in feedback["history"]]


async def test_feedback_stands_beside_its_prediction(client: httpx2.AsyncClient) -> None:
    event = make_event()
    await post_event(client, event)
    answer = await _put(client, event["prediction_id"], _said(3))
    assert (answer.status_code, answer.headers["etag"]) == (200, '"1"')
    told = answer.json()
    assert (told["label"], told["observed_at"], told["pending"]) == (1, DAYS[3], False)
    read = (await client.get(f"/v1/predictions/{event['prediction_id']}")).json()
    assert read["feedback"] == told


async def test_feedback_may_come_before_its_prediction(client: httpx2.AsyncClient) -> None:
    event = make_event()
    early = (await _put(client, event["prediction_id"], _said(3))).json()
    assert early["pending"] is True
    assert (await post_event(client, event)).status_code == 201
    read = (await client.get(f"/v1/predictions/{event['prediction_id']}")).json()
    assert read["feedback"] == {**early, "pending": False}


async def test_neither_order_nor_repetition_of_delivery_matters(client: httpx2.AsyncClient) -> None:
    told = [_said(2, 0), _said(5, 1), _said(5, 1, "audit"), _said(5, 0), _said(9, 1)]
    wanted = [
        (DAYS[2], "lab", 0),
        (DAYS[5], "audit", 1),
        (DAYS[5], "lab", 0),
        (DAYS[5], "lab", 1),
        (DAYS[9], "lab", 1),
    ]
    for seed in range(8):
        deliveries = random.Random(seed).sample(told * 2, len(told) * 2)
        prediction_id = uuid4()
        for each in deliveries:
            answer = await _put(client, prediction_id, each)
        feedback = answer.json()
        assert _history(feedback) == wanted
        assert (feedback["label"], feedback["observed_at"]) == (1, DAYS[9])
        assert feedback["version"] == 5


async def test_an_old_observation_that_comes_late_does_not_become_the_latest(
    client: httpx2.AsyncClient,
) -> None:
    prediction_id = uuid4()
    await _put(client, prediction_id, _said(9, "cat"))
    late = (await _put(client, prediction_id, _said(1, "dog"))).json()
    assert (late["label"], late["version"]) == ("cat", 2)


async def test_of_50_at_once_none_is_lost_and_none_is_there_twice(
    client: httpx2.AsyncClient, state: State
) -> None:
    prediction_id = uuid4()
    told = [_said(number % 28, number // 2) for number in range(50)]
    answers = await asyncio.gather(*(_put(client, prediction_id, each) for each in told + told))
    assert {answer.status_code for answer in answers} == {200}
    final = (await _put(client, prediction_id, told[0])).json()
    assert _history(final) == sorted(
        (each["observed_at"], each["source"], each["label"]) for each in told
    )
    assert await state["mongo"].database[FEEDBACK].count_documents({}) == 1


@pytest.mark.parametrize("label", [1, 0, -(2**63), True, False, 2.5, "malignant", "", "$x", "a.b"])
async def test_a_label_keeps_its_type(client: httpx2.AsyncClient, label: Any) -> None:
    found = (await _put(client, uuid4(), _said(1, label))).json()
    assert found["label"] == label
    assert type(found["label"]) is type(label)


async def test_a_thousand_and_first_revision_is_refused_and_a_known_one_is_not(
    client: httpx2.AsyncClient, state: State
) -> None:
    prediction_id = uuid4()
    await _put(client, prediction_id, _said(1))
    feedback = state["mongo"].database[FEEDBACK]
    (first,) = (await feedback.find_one({"_id": prediction_id}) or {})["history"]
    full = [{**first, "label": number} for number in range(1000)]
    await feedback.update_one({"_id": prediction_id}, {"$set": {"history": full}})
    assert (await _put(client, prediction_id, _said(1, 999))).status_code == 200
    refused = await _put(client, prediction_id, _said(1, 1000))
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_revisions")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"label": None}, "/label"),
        ({"label": [1]}, "/label"),
        ({"label": {"$ne": 1}}, "/label"),
        ({"label": "x" * 201}, "/label"),
        ({"observed_at": "2026-01-01T00:00:00"}, "/observed_at"),
        ({"observed_at": "0001-01-01T00:00:00+14:00"}, "/observed_at"),
        ({"observed_at": "2200-01-01T00:00:00Z"}, "/observed_at"),
        ({"source": ""}, "/source"),
        ({"source": 7}, "/source"),
        ({"colour": "red"}, "/colour"),
        ({"label": 2**63}, "/label"),
        ({"label": "\x00"}, "/label"),
    ],
)
async def test_feedback_that_is_wrong_is_refused_with_a_pointer(
    client: httpx2.AsyncClient, change: dict[str, Any], pointer: str
) -> None:
    answer = await _put(client, uuid4(), {**_said(1), **change})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith(pointer)


async def test_feedback_needs_a_label_and_a_time(client: httpx2.AsyncClient) -> None:
    answer = await _put(client, uuid4(), {})
    assert [each["pointer"] for each in answer.json()["errors"]] == ["/label", "/observed_at"]
    assert (await _put(client, "nobody", _said(1))).status_code == 422
