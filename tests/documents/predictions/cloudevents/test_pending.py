"""Messages that wait for their partner: repeated, replaced, listed, expired."""

import json
from datetime import timedelta
from uuid import uuid4

import httpx2

from service.main import State
from tests.documents.predictions.cloudevents.inference_server import (
    FEATURES,
    REQUEST_TYPE,
    V2_REQUEST,
    send_message,
    send_request,
    send_response,
    stored_pairs,
)
from tests.documents.predictions.factories import stored_events


async def test_message_repeated_still_waits(client: httpx2.AsyncClient) -> None:
    event_id = str(uuid4())
    for _ in range(2):
        assert (await send_request(client, event_id)).status_code == 202
    with_other_white_space = json.dumps(V2_REQUEST, indent=4).encode()
    assert (await send_request(client, event_id, with_other_white_space)).status_code == 202


async def test_message_different_under_a_stored_id_is_a_conflict(
    client: httpx2.AsyncClient, state: State
) -> None:
    event_id = str(uuid4())
    await send_request(client, event_id)
    tensor = {**V2_REQUEST["inputs"][0], "data": [1.0, 2.0]}
    response = await send_request(client, event_id, {"inputs": [tensor]})
    assert (response.status_code, response.json()["code"]) == (409, "half_conflict")
    assert (await send_response(client, event_id)).status_code == 201
    stored = [event["features"] for event in await stored_events(state)]
    assert stored == [FEATURES]  # those of the first request


async def test_waiting_messages_are_listed_counted_and_expire(
    client: httpx2.AsyncClient, state: State
) -> None:
    for event_id in ("a", "b"):
        await send_request(client, event_id)
    await send_response(client, "c")
    tulip = {"Ce-Inferenceservicename": "tulip"}
    await send_message(client, REQUEST_TYPE, "d", V2_REQUEST, **tulip)
    listed = (await client.get("/v1/predictions/halves?count=exact")).json()
    assert listed["total"] == 4
    assert {pair["event_id"]: pair["has"] for pair in listed["items"]} == {
        "a": ["request"],
        "b": ["request"],
        "c": ["response"],
        "d": ["request"],
    }
    of_tulip = (await client.get("/v1/predictions/halves?model=tulip&state=waiting")).json()
    assert [pair["event_id"] for pair in of_tulip["items"]] == ["d"]
    for pair in await stored_pairs(state):
        assert pair["expires_at"] - pair["received_at"] == timedelta(days=7)
