"""Single events: created, repeated, changed, and refused."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from service.main import State
from tests.documents.predictions.factories import (
    JSON,
    ids_of,
    make_event,
    post_batch,
    post_event,
    stored_events,
    stored_ids,
)


async def test_event_created_reads_back_as_sent(
    client: httpx2.AsyncClient,
) -> None:
    event = make_event(
        output={"label": "cat", "scores": {"cat": 0.75, "dog": 0.25}, "score": 0.75},
        status="fallback",
        error={"type": "Timeout", "message": "too late"},
        user_id=str(uuid4()),
        order_id=str(uuid4()),
        trace_id="abc",
        request_id="r-1",
        tags={"region": "eu"},
        role="shadow",
        sampling_weight=20.0,
        sent_at="2026-01-05T00:00:03.000Z",
    )
    created = await post_event(client, event)
    assert (created.status_code, created.json()["code"]) == (201, "created")
    read = (await client.get(created.headers["location"])).json()
    assert read.pop("received_at").endswith("Z")
    assert read.pop("feedback") is None
    assert read.pop("nonfinite") is None
    assert read == event


async def test_event_retry_with_another_sent_at_is_a_duplicate(
    client: httpx2.AsyncClient,
) -> None:
    event = make_event()
    for sent_at, code in (
        ("2026-01-05T00:00:03Z", "created"),
        ("2026-01-05T00:09:00Z", "duplicate"),
    ):
        response = await post_event(client, {**event, "sent_at": sent_at})
        assert response.json()["code"] == code
    read = (await client.get(f"/v1/predictions/{event['prediction_id']}")).json()
    assert read["sent_at"] == "2026-01-05T00:00:03.000Z"


async def test_event_more_than_an_hour_ahead_is_rejected(
    client: httpx2.AsyncClient,
) -> None:
    fast, far = (
        make_event(timestamp=(datetime.now(UTC) + ahead).isoformat())
        for ahead in (timedelta(minutes=50), timedelta(minutes=70))
    )
    batch = await post_batch(client, [fast, far, make_event()])
    assert [item["status"] for item in batch["results"]] == [201, 422, 201]
    (error,) = batch["results"][1]["errors"]
    assert (error["pointer"], error["code"]) == ("/timestamp", "in_the_future")


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"features": {"x": 1, "image": "y" * 1_048_576}}, "/features/image"),
        ({"features": {"x": 1, "rows": [["y" * 300] * 10] * 400}}, "/features/rows"),
    ],
)
async def test_event_too_large_names_its_largest_value(
    client: httpx2.AsyncClient, state: State, fields: dict[str, Any], pointer: str
) -> None:
    big, small = make_event(**fields), make_event(features={"image": "y" * 900_000})
    batch = await post_batch(client, [big, small])
    assert [item["status"] for item in batch["results"]] == [422, 201]
    (error,) = batch["results"][0]["errors"]
    assert (error["pointer"], error["code"]) == (pointer, "too_big")
    assert (await post_event(client, big)).status_code == 413
    assert await stored_ids(state) == ids_of([small])


@pytest.mark.parametrize("weight", [0, 0.5, -1, "2", 1e10])
async def test_event_sampling_weight_out_of_range_returns_422(
    client: httpx2.AsyncClient, weight: object
) -> None:
    response = await post_event(client, make_event(sampling_weight=weight))
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/sampling_weight"


async def test_event_repeated_is_a_duplicate(client: httpx2.AsyncClient) -> None:
    event = make_event()
    await post_event(client, event)
    response = await post_event(client, event)
    assert (response.status_code, response.json()["code"]) == (200, "duplicate")
    assert response.json()["prediction_id"] == event["prediction_id"]


async def test_event_written_differently_is_a_duplicate(client: httpx2.AsyncClient) -> None:
    event = make_event(timestamp="2026-01-05T00:00:02.052Z", latency_ms=3)
    await post_event(client, event)
    rewritten = {
        **dict(reversed(event.items())),
        "prediction_id": event["prediction_id"].upper(),
        "timestamp": "2026-01-05T01:00:02.052000+01:00",
        "features": dict(reversed(event["features"].items())),
        "latency_ms": 3.0,
        "status": "ok",
        "role": "primary",
        "user_id": None,
        "tags": {},
    }
    assert (await post_event(client, rewritten)).json()["code"] == "duplicate"


@pytest.mark.parametrize(
    "change",
    [
        {"features": {"amount": 12.6}},
        {"output": {"label": 0, "score": 0.75}},
        {"timestamp": "2026-01-05T00:00:02.053Z"},
        {"status": "error"},
        {"tags": {"region": "us"}},
        {"latency_ms": None},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_event_changed_under_its_id_conflicts_and_keeps_the_first(
    client: httpx2.AsyncClient, state: State, change: dict[str, Any]
) -> None:
    event = make_event()
    await post_event(client, event)
    before = await stored_events(state)
    response = await post_event(client, {**event, **change})
    assert (response.status_code, response.json()["code"]) == (409, "conflict")
    assert response.json()["errors"][0]["pointer"] == "/prediction_id"
    assert await stored_events(state) == before


async def test_event_from_32_clients_is_created_once(
    client: httpx2.AsyncClient, state: State
) -> None:
    event = make_event()
    responses = await asyncio.gather(*(post_event(client, event) for _ in range(32)))
    codes = [response.json()["code"] for response in responses]
    assert sorted(codes) == ["created"] + ["duplicate"] * 31
    assert len(await stored_events(state)) == 1


async def test_two_events_racing_for_one_id_one_conflicts(
    client: httpx2.AsyncClient, state: State
) -> None:
    for _ in range(10):
        event = make_event()
        pair = [{**event, "features": {"x": x}} for x in (1, 2)]
        responses = await asyncio.gather(*(post_event(client, item) for item in pair))
        assert sorted(response.status_code for response in responses) == [201, 409]
        winner = pair[0] if responses[0].status_code == 201 else pair[1]
        stored = (await client.get(f"/v1/predictions/{event['prediction_id']}")).json()
        assert stored["features"] == winner["features"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 415),
        ({"Content-Type": "text/plain"}, 415),
        ({**JSON, "Content-Encoding": "br"}, 415),
        ({**JSON, "Content-Encoding": "gzip, gzip"}, 415),
        ({**JSON, "Content-Encoding": "gzip"}, 400),  # but the body is plain
    ],
)
async def test_event_of_another_content_type_or_encoding_is_refused(
    client: httpx2.AsyncClient, headers: dict[str, str], status: int
) -> None:
    body = json.dumps(make_event()).encode()
    response = await client.post("/v1/predictions", content=body, headers=headers)
    assert response.status_code == status
