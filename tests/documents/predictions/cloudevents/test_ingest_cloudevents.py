"""Requests and responses of a model server: in any order, concurrent, repeated, in batches."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from service.documents.predictions.ingest.limiter import MAX_CONCURRENT_BATCHES
from service.main import State
from tests.documents.predictions.cloudevents.inference_server import (
    FEATURES,
    OUTPUT,
    REQUEST_TYPE,
    RESPONSE_TYPE,
    TRACE_ID,
    V2_REQUEST,
    V2_RESPONSE,
    message_event,
    post_events,
    prediction_id_of,
    send_request,
    send_response,
    stored_pairs,
)
from tests.documents.predictions.factories import stored_events
from tests.documents.predictions.live_server import serving


@contextlib.asynccontextmanager
async def socket_client(state: State) -> AsyncIterator[httpx2.AsyncClient]:
    async with (
        serving(state) as port,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client,
    ):
        yield client


@pytest.mark.parametrize(
    "order",
    [(send_request, send_response), (send_response, send_request)],
    ids=["request_first", "response_first"],
)
async def test_request_and_response_in_either_order_become_an_event(
    state: State, reset_stores: None, order: Any
) -> None:
    event_id = str(uuid4())
    async with socket_client(state) as client:
        first, second = [await send(client, event_id) for send in order]
        event = (await client.get(second.headers["location"])).json()
    assert (first.status_code, first.json()["code"]) == (202, "waiting")
    assert (second.status_code, second.json()["code"]) == (201, "created")
    assert second.json()["prediction_ids"] == [prediction_id_of(event_id)]
    assert event.pop("received_at")
    assert event == {
        "prediction_id": prediction_id_of(event_id),
        "timestamp": "2026-11-20T12:00:00.123Z",
        "model": "iris",
        "version": "3",
        "features": FEATURES,
        "output": OUTPUT,
        "latency_ms": None,
        "status": "ok",
        "error": None,
        "user_id": None,
        "order_id": None,
        "trace_id": TRACE_ID,
        "request_id": event_id,
        "sampling_weight": 1.0,
        "sent_at": None,
        "nonfinite": None,
        "tags": {"namespace": "models", "component": "predictor"},
        "role": "primary",
        "feedback": None,
    }


async def test_messages_concurrent_and_repeated_make_one_event(
    state: State, reset_stores: None
) -> None:
    async with socket_client(state) as client:
        for _ in range(8):
            event_id = str(uuid4())
            sending = [send(client, event_id) for send in (send_request, send_response) * 6]
            statuses = [response.status_code for response in await asyncio.gather(*sending)]
            assert set(statuses) <= {200, 201, 202}
            assert statuses.count(201) == 1
            for send in (send_request, send_response):
                assert (await send(client, event_id)).status_code == 200
    assert len(await stored_events(state)) == 8
    pairs = await stored_pairs(state)
    assert [pair["state"] for pair in pairs] == ["logged"] * 8
    assert not any("data" in pair[side] for pair in pairs for side in ("request", "response"))


async def test_batch_pairs_its_messages_and_waiting_ones(
    client: httpx2.AsyncClient, state: State
) -> None:
    waiting, complete, alone = (str(uuid4()) for _ in range(3))
    await send_request(client, waiting)
    response = await post_events(
        client,
        [
            message_event(RESPONSE_TYPE, waiting, V2_RESPONSE),
            message_event(REQUEST_TYPE, complete, V2_REQUEST),
            message_event(RESPONSE_TYPE, complete, V2_RESPONSE),
            message_event(REQUEST_TYPE, alone, V2_REQUEST),
            message_event(REQUEST_TYPE, "odd", {"inputs": []}),
        ],
    )
    assert response.status_code == 207
    body = response.json()
    assert [result["status"] for result in body["results"]] == [201, 201, 201, 202, 422]
    assert (body["created"], body["waiting"], body["rejected"]) == (3, 1, 1)
    assert body["results"][4]["errors"][0]["pointer"] == "/data/inputs"
    assert {str(event["_id"]) for event in await stored_events(state)} == {
        prediction_id_of(waiting),
        prediction_id_of(complete),
    }


async def test_large_message_waits_for_a_worker_slot_and_small_does_not(
    client: httpx2.AsyncClient, state: State
) -> None:
    numbers = {"name": "x", "shape": [200, 100], "datatype": "INT32", "data": [1000] * 20_000}
    async with AsyncExitStack() as slots:
        for _ in range(MAX_CONCURRENT_BATCHES):
            await slots.enter_async_context(state["intake_limiter"].worker_slot)
        large = asyncio.ensure_future(send_request(client, "large", {"inputs": [numbers]}))
        for number in range(3):
            assert (await send_request(client, f"small {number}")).status_code == 202
        assert not large.done()
    assert (await large).status_code == 202
