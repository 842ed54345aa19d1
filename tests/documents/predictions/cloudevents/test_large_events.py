"""Large CloudEvents: the operator's limit holds for each kind, and none holds up other requests."""

from typing import Any

import httpx2
import pytest

from service.documents.predictions.ingest.event import DEFAULT_EVENT_BYTES
from service.main import State
from tests.documents.predictions.cloudevents.inference_server import (
    PREDICTION_TYPE,
    cloud_event,
    post_structured,
    send_message,
    send_request,
    send_response,
    stored_pairs,
)
from tests.documents.predictions.factories import make_event, stored_events
from tests.documents.predictions.test_responsiveness import measure

HALVES = "/v1/predictions/halves"
MAX_BYTES = 2 * DEFAULT_EVENT_BYTES
LONG_ROW = {"instances": [{"text": "x" * (DEFAULT_EVENT_BYTES + 1)}]}
TOO_LONG_ROW = {"instances": [{"text": "x" * (MAX_BYTES + 1)}]}
ANSWER = {"predictions": [1]}
# One row, of lists: each costs as much as ten numbers.
NESTED = {"x": [[0]] * 60_000}


@pytest.fixture
def larger_limit(state: State, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """POLYSTORE_MAX_EVENT_BYTES at twice its default; `undo()` is the default."""
    settings = state["settings"].model_copy(update={"max_event_bytes": MAX_BYTES})
    monkeypatch.setitem(state, "settings", settings)
    return monkeypatch


async def test_row_larger_than_the_default_is_logged_below_the_setting(
    larger_limit: Any, client: httpx2.AsyncClient, state: State
) -> None:
    assert (await send_request(client, "7", LONG_ROW)).status_code == 202
    response = await send_response(client, "7", ANSWER)
    assert response.status_code == 201, response.text
    too_long = await send_request(client, "8", TOO_LONG_ROW)
    assert (too_long.status_code, too_long.json()["errors"][0]["code"]) == (422, "too_big")
    assert [event["features"] for event in await stored_events(state)] == LONG_ROW["instances"]


async def test_replay_under_a_larger_limit_takes_what_was_too_big(
    larger_limit: Any, client: httpx2.AsyncClient, state: State
) -> None:
    larger = state["settings"]
    larger_limit.undo()
    assert (await send_request(client, "7", LONG_ROW)).json()["errors"][0]["code"] == "too_big"
    assert (await send_response(client, "7", ANSWER)).status_code == 422
    (pair,) = await stored_pairs(state)
    with pytest.MonkeyPatch.context() as upgrade:
        upgrade.setitem(state, "settings", larger)
        response = await client.post(f"{HALVES}/{pair['_id']}/replay")
    assert response.json()["state"] == "logged"
    assert [event["features"] for event in await stored_events(state)] == LONG_ROW["instances"]


async def test_prediction_larger_than_the_limit_is_refused_unread(
    client: httpx2.AsyncClient,
) -> None:
    """Data that is no JSON has this error too, because it is not read."""
    unreadable = b"[" * (DEFAULT_EVENT_BYTES + 1)
    response = await send_message(client, PREDICTION_TYPE, "7", unreadable)
    (error,) = response.json()["errors"]
    assert response.status_code == 422
    assert (error["pointer"], error["code"]) == ("/data", "too_big")
    shorter = await send_message(client, PREDICTION_TYPE, "7", unreadable[1:])
    assert shorter.json()["code"] == "too_deep"


@pytest.mark.parametrize("has_id", [True, False])
async def test_prediction_of_many_lists_keeps_the_loop_responsive(
    client: httpx2.AsyncClient, has_id: bool
) -> None:
    event = make_event(features=NESTED, output={"text": float("nan")})
    if not has_id:
        del event["prediction_id"]
    response, seconds, longest = await measure(post_structured(client, cloud_event(event)))
    assert response.status_code == 201, response.text
    assert longest < seconds / 4


async def test_row_of_many_lists_keeps_the_loop_responsive(client: httpx2.AsyncClient) -> None:
    sending = send_request(client, "7", {"instances": [NESTED]})
    response, seconds, longest = await measure(sending)
    assert response.status_code == 202, response.text
    assert longest < seconds / 4
