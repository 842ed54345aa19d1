"""Labels that are withdrawn: the latest of those that are left counts, and the history has all."""

import json
import random
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from service.main import State
from tests.documents.predictions.factories import make_event, post_event
from tests.documents.predictions.labels.factories import (
    codes_of,
    make_label,
    post_labels,
    put_label,
    stored_labels,
    stream_labels,
    without_times,
)


def _day(day: int) -> str:
    return f"2026-01-{day:02d}T00:00:00.000Z"


def _withdrawal(prediction_id: object, day: int, **fields: Any) -> dict[str, Any]:
    sent = {"prediction_id": str(prediction_id), "observed_at": _day(day), "withdrawn": True}
    return {**sent, **fields}


async def _logged(client: httpx2.AsyncClient, *labels: tuple[int, Any]) -> str:
    """Log a prediction with labels, each of a day; return its id."""
    event = make_event()
    await post_event(client, event)
    for day, label in labels:
        await put_label(client, make_label(event["prediction_id"], day, label=label))
    return str(event["prediction_id"])


async def _delete(client: httpx2.AsyncClient, prediction_id: object, **query: Any) -> int:
    address = f"/v1/predictions/{prediction_id}/feedback"
    return (await client.delete(address, params=query)).status_code


async def _feedback(client: httpx2.AsyncClient, prediction_id: str) -> Any:
    return (await client.get(f"/v1/predictions/{prediction_id}")).json()["feedback"]


async def _exported(client: httpx2.AsyncClient) -> Any:
    response = await client.get("/v1/predictions/export", params={"labels": "true"})
    line = json.loads(response.text)
    return line["label"], line["label_observed_at"], line["label_source"]


async def test_delete_withdraws_the_latest_label_and_a_retry_no_other(
    client: httpx2.AsyncClient,
) -> None:
    prediction_id = await _logged(client, (1, "cat"), (2, {"wrong": 1}))
    for _ in range(2):
        assert await _delete(client, prediction_id) == 204
        feedback = await _feedback(client, prediction_id)
        assert (feedback["label"], feedback["observed_at"]) == ("cat", _day(1))
        assert feedback["version"] == 3
        assert await _exported(client) == ("cat", _day(1), "lab")
    step = feedback["history"][-1]
    assert step.pop("received_at")
    assert step == {
        "label": {"wrong": 1},
        "observed_at": _day(2),
        "source": "lab",
        "withdrawn": True,
    }
    assert "withdrawn" not in feedback["history"][0]


async def test_delete_of_every_label_leaves_none_until_the_next(
    client: httpx2.AsyncClient, state: State
) -> None:
    prediction_id = await _logged(client, (1, 0), (2, 1))
    assert await _delete(client, prediction_id) == 204
    assert await _delete(client, prediction_id, observed_at=_day(1)) == 204
    feedback = await _feedback(client, prediction_id)
    assert [feedback[name] for name in ("label", "observed_at", "source")] == [None] * 3
    assert len(feedback["history"]) == 4
    assert await _exported(client) == (None, None, None)
    (stored,) = (await stored_labels(state)).values()
    assert "latest" not in stored
    right = make_label(prediction_id, 2, label=2)
    assert codes_of(await post_labels(client, [right])) == ["labelled"]
    assert (await _feedback(client, prediction_id))["label"] == 2


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ({"observed_at": "2026-01-02T01:00+01"}, 3),
        ({"source": "lab"}, 3),
        ({"source": "audit"}, 2),
        ({"source": "audit", "observed_at": _day(3)}, 2),
    ],
)
async def test_delete_withdraws_the_label_that_the_query_names(
    client: httpx2.AsyncClient, query: dict[str, str], left: int
) -> None:
    prediction_id = await _logged(client, (1, 1), (2, 2))
    await put_label(client, make_label(prediction_id, 3, label=3, source="audit"))
    assert await _delete(client, prediction_id, **query) == 204
    assert (await _feedback(client, prediction_id))["label"] == left


async def test_delete_of_no_label_is_not_found(client: httpx2.AsyncClient, state: State) -> None:
    prediction_id = await _logged(client, (1, 1))
    for missing, query in (
        (uuid4(), {}),
        ("order-7", {}),
        (prediction_id, {"source": "audit"}),
        (prediction_id, {"observed_at": _day(2)}),
    ):
        assert await _delete(client, missing, **query) == 404
    assert len(await stored_labels(state)) == 1
    assert await _delete(client, prediction_id, observed_at="2026-01-02T00:00:00") == 422


async def test_withdrawal_in_a_batch_takes_back_what_it_names(client: httpx2.AsyncClient) -> None:
    prediction_id = await _logged(client, (1, 1), (2, 2), (3, 1))
    for fields, code, left in (
        ({"source": "audit"}, "withdrawn", 1),  # of no label
        ({"label": 2.0}, "withdrawn", 1),
        ({"label": 2, "source": "lab"}, "withdrawn", 1),  # the same label
        ({}, "withdrawn", 1),  # the last one at or before day 2: the same again
    ):
        body = await post_labels(client, [_withdrawal(prediction_id, 2, **fields)])
        assert (codes_of(body), body["withdrawn"]) == ([code], 1)
        assert (await _feedback(client, prediction_id))["label"] == left
    await post_labels(client, [_withdrawal(prediction_id, 9)])
    feedback = await _feedback(client, prediction_id)
    assert (feedback["label"], feedback["observed_at"]) == (1, _day(1))
    assert codes_of(await post_labels(client, [_withdrawal(prediction_id, 9)])) == ["unchanged"]


async def test_withdrawal_before_its_label_takes_it_back(client: httpx2.AsyncClient) -> None:
    prediction_id = uuid4()
    (line,) = await stream_labels(client, [_withdrawal(prediction_id, 5, label="a")])
    assert (line["withdrawn"], line["pending"]) == (1, 1)
    labels = [make_label(prediction_id, day, label=label) for day, label in ((5, "a"), (4, "b"))]
    assert codes_of(await post_labels(client, labels)) == ["unchanged", "labelled"]
    await post_event(client, make_event(prediction_id=str(prediction_id)))
    assert (await _feedback(client, str(prediction_id)))["label"] == "b"


@pytest.mark.parametrize("seed", range(3))
async def test_withdrawals_in_any_order_and_repeated_end_the_same(
    client: httpx2.AsyncClient, state: State, seed: int
) -> None:
    chance = random.Random(seed)
    labels = [make_label("x", day, label=day % 3) for day in range(1, 9)]
    named: list[dict[str, Any]] = [
        {},
        {"label": 1},
        {"source": "lab"},
        {"source": "audit", "label": 0},
    ]
    steps = labels + [_withdrawal("x", chance.randint(1, 9), **fields) for fields in named * 2]
    ids = [uuid4() for _ in range(4)]
    for prediction_id in ids:
        sent = [{**step, "prediction_id": str(prediction_id)} for step in steps * 2]
        chance.shuffle(sent)
        for start in range(0, len(sent), 5):
            await chance.choice([post_labels, stream_labels])(client, sent[start : start + 5])
    stored = await stored_labels(state)
    first, *others = [without_times({**stored[key], "_id": None}) for key in ids]
    assert all(other == first for other in others)
