"""Labels of keys bound to models that come before their prediction."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import httpx2
import pytest
from fastapi import FastAPI
from uuid_utils.compat import uuid7

from service.auth.caller import Caller
from service.auth.roles import scopes_of
from service.documents.predictions.documents import FEEDBACK
from service.documents.predictions.reading.feedback import feedback_of
from service.main import State
from tests.documents.predictions.factories import make_event, post_event
from tests.fixtures.client import client_as

WAYS = ("feedback", "batch", "stream")


class Bound(NamedTuple):
    """Clients whose keys are bound to one model each."""

    fraud: httpx2.AsyncClient
    churn: httpx2.AsyncClient


@pytest.fixture
async def bound(app: FastAPI, state: State, reset_stores: None) -> AsyncIterator[Bound]:
    async with AsyncExitStack() as stack:
        yield Bound(
            *[
                await stack.enter_async_context(
                    client_as(Caller(scopes=scopes_of("admin"), models=(pattern,)), app, state)
                )
                for pattern in ("fraud-*", "churn")
            ]
        )


def a_label(value: Any, day: int = 3) -> dict[str, Any]:
    return {"label": value, "observed_at": f"2026-01-{day:02d}T00:00:00Z", "source": "lab"}


async def send(
    client: httpx2.AsyncClient, way: str, prediction_id: object, label: dict[str, Any]
) -> Any:
    if way == "feedback":
        path = f"/v1/predictions/{prediction_id}/feedback"
        return (await client.put(path, json=label)).json()
    item = {"prediction_id": str(prediction_id), **label}
    if way == "batch":
        return (await client.post("/v1/labels/batch", json={"items": [item]})).json()
    headers = {"Content-Type": "application/x-ndjson"}
    return (await client.post("/v1/labels/stream", json=item, headers=headers)).json()


async def labels_of(client: httpx2.AsyncClient, prediction_id: object) -> list[Any]:
    feedback = (await client.get(f"/v1/predictions/{prediction_id}")).json()["feedback"]
    return [] if feedback is None else [item["label"] for item in feedback["history"]]


@pytest.mark.parametrize("way", WAYS)
async def test_early_label_of_other_model_is_never_its_label(bound: Bound, way: str) -> None:
    event = make_event(model="fraud-eu")
    prediction_id = event["prediction_id"]
    early = await send(bound.churn, way, prediction_id, a_label("theirs", day=9))
    assert early["pending"] == 1  # true, or one of them
    assert (await post_event(bound.fraud, event)).status_code == 201
    assert await labels_of(bound.fraud, prediction_id) == []
    answer = await send(bound.fraud, way, prediction_id, a_label("own"))
    assert answer.get("labelled", 1) == 1  # nothing reveals the other
    assert await labels_of(bound.fraud, prediction_id) == ["own"]


@pytest.mark.parametrize("way", WAYS)
async def test_early_label_of_own_model_becomes_its_label(bound: Bound, way: str) -> None:
    event = make_event(model="fraud-eu")
    prediction_id = event["prediction_id"]
    await send(bound.fraud, way, prediction_id, a_label("own"))
    await post_event(bound.fraud, event)
    assert await labels_of(bound.fraud, prediction_id) == ["own"]
    again = await send(bound.fraud, way, prediction_id, a_label("own"))
    assert again.get("unchanged", 1) == 1
    await send(bound.fraud, way, prediction_id, a_label("later", day=5))
    assert await labels_of(bound.fraud, prediction_id) == ["own", "later"]


@pytest.mark.parametrize("way", WAYS)
async def test_early_labels_of_two_keys_are_apart(bound: Bound, way: str) -> None:
    event = make_event(model="churn")
    prediction_id = event["prediction_id"]
    await send(bound.fraud, way, prediction_id, a_label("theirs"))
    answer = await send(bound.churn, way, prediction_id, a_label("own"))
    assert answer.get("labelled", 1) == 1
    assert len(answer.get("history", [1])) == 1
    await post_event(bound.churn, event)
    assert await labels_of(bound.churn, prediction_id) == ["own"]


async def test_early_labels_and_labels_of_an_unbound_key_are_united(
    bound: Bound, client: httpx2.AsyncClient, state: State
) -> None:
    event = make_event(model="churn")
    prediction_id = event["prediction_id"]
    for sender, label in (
        (bound.churn, a_label("same")),
        (client, a_label("same")),
        (client, a_label("free", day=2)),
        (bound.churn, a_label("bound", day=4)),
        (bound.fraud, a_label("theirs", day=5)),
    ):
        await send(sender, "feedback", prediction_id, label)
    await post_event(bound.churn, event)
    assert await labels_of(client, prediction_id) == ["free", "same", "bound"]
    exported = await client.get("/v1/predictions/export?model=churn&format=ndjson&labels=true")
    assert exported.json()["label"] == "bound"
    feedback = await send(bound.churn, "feedback", prediction_id, a_label("last", day=6))
    assert [item["label"] for item in feedback["history"]] == ["free", "same", "bound", "last"]
    stored = await state["mongo"].database[FEEDBACK].find({}).to_list(None)
    assert sorted(len(item["history"]) for item in stored) == [1, 4]  # theirs, and all others


async def test_early_labels_adopted_at_once_are_stored_once(bound: Bound) -> None:
    event = make_event(model="churn")
    prediction_id = event["prediction_id"]
    for day in range(1, 4):
        await send(bound.churn, "feedback", prediction_id, a_label(day, day=day))
    await post_event(bound.churn, event)
    later = [send(bound.churn, way, prediction_id, a_label(9, day=9)) for way in WAYS * 3]
    await asyncio.gather(*later)
    assert await labels_of(bound.churn, prediction_id) == [1, 2, 3, 9]


async def test_early_labels_are_found_by_their_index(state: State, reset_stores: None) -> None:
    feedback = state["mongo"].database[FEEDBACK]
    plan = await feedback.find(feedback_of([uuid7()])).explain()
    chosen = str(plan["queryPlanner"]["winningPlan"])
    assert "ix_feedback_prediction_id" in chosen
    assert "COLLSCAN" not in chosen


async def test_id_taken_by_another_model_is_a_conflict(bound: Bound) -> None:
    event = make_event(model="churn")
    assert (await post_event(bound.churn, event)).status_code == 201
    other = {**event, "model": "fraud-eu"}
    answer = await post_event(bound.fraud, other)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "churn" not in answer.text
    label = await send(bound.fraud, "feedback", event["prediction_id"], a_label(1))
    assert label["code"] == "prediction_not_found"
