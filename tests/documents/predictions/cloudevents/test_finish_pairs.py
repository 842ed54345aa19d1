"""Complete pairs become events once, whatever process dies over them, or are rejected."""

import json
import signal
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from service.core.errors import field_error
from service.documents.predictions.cloudevents.finish_pairs import SWEEP_SCHEDULE
from service.documents.predictions.cloudevents.pending import PairOutcome, PendingStore
from service.documents.predictions.documents import PENDING_PAIRS, PREDICTIONS
from service.main import State
from service.stores.mongo.client import Document, now
from tests.auth.factories import create_user
from tests.documents.predictions.cloudevents.inference_server import (
    REQUEST_TYPE,
    RESPONSE_TYPE,
    V2_REQUEST,
    V2_RESPONSE,
    message_event,
    post_events,
    prediction_id_of,
    send_request,
    send_response,
    stored_pairs,
)
from tests.documents.predictions.factories import make_event, stored_events
from tests.fixtures.service import on_stores_of, running_service


async def test_service_killed_between_messages_loses_none(
    client: httpx2.AsyncClient, state: State, tmp_path: Path
) -> None:
    """The requests go to a process that is killed, the responses to this one."""
    ids = [str(uuid4()) for _ in range(20)]
    headers = (await create_user(state, "admin")).headers
    with running_service(tmp_path, **on_stores_of(state["settings"])) as killed:
        async with httpx2.AsyncClient(base_url=killed.url, headers=headers) as requests:
            for event_id in ids:
                assert (await send_request(requests, event_id)).status_code == 202
        killed.end(signal.SIGKILL)
    for status in (201, 200):
        assert {(await send_response(client, key)).status_code for key in ids} == {status}
    listed = await client.get("/v1/predictions?model=iris&count=exact")
    assert listed.json()["total"] == 20


@pytest.mark.parametrize("is_written", [False, True], ids=["not_written", "written"])
@pytest.mark.parametrize("is_retried", [False, True], ids=["next_request", "retry"])
async def test_stuck_pair_is_finished_by_a_retry_or_the_next_request(
    client: httpx2.AsyncClient, state: State, is_written: bool, is_retried: bool
) -> None:
    """The pair has both messages; its event is written or not, its outcome is not stored."""
    pairs, predictions = (state["mongo"].database[name] for name in (PENDING_PAIRS, PREDICTIONS))
    event_id = str(uuid4())
    await send_request(client, event_id)
    (waiting,) = await stored_pairs(state)
    assert (await send_response(client, event_id)).status_code == 201
    (logged,) = await stored_pairs(state)
    same = {"_id": waiting["_id"]}
    response = {**logged["response"], "data": json.dumps(V2_RESPONSE).encode()}
    stuck = {**waiting, "response": response, "state": "whole"}
    stuck["received_at"] = now() - timedelta(minutes=1)
    await pairs.replace_one(same, stuck)
    before = await predictions.find_one(same)
    if not is_written:
        await predictions.delete_one(same)
    if is_retried:
        repeated = await send_response(client, event_id)
        expected = (200, "duplicate") if is_written else (201, "created")
        assert (repeated.status_code, repeated.json()["code"]) == expected
    else:
        SWEEP_SCHEDULE.last = float("-inf")
        await send_request(client, str(uuid4()))
    after = await predictions.find_one(same)
    assert before is not None
    assert after is not None
    assert after["hash"] == before["hash"]
    (finished,) = await pairs.find(same).to_list(None)
    assert finished["state"] == "logged"


async def test_pair_with_a_taken_prediction_id_is_a_conflict_and_stays(
    client: httpx2.AsyncClient, state: State
) -> None:
    event_id = str(uuid4())
    other = make_event(prediction_id=prediction_id_of(event_id), model="other")
    assert (await client.post("/v1/predictions", json=other)).status_code == 201
    await send_request(client, event_id)
    for _ in range(2):
        response = await send_response(client, event_id)
        assert (response.status_code, response.json()["code"]) == (409, "conflict")
    listed = (await client.get("/v1/predictions/halves?state=refused")).json()["items"]
    assert [(pair["event_id"], pair["refusal"]["code"]) for pair in listed] == [
        (event_id, "conflict")
    ]
    (stored,) = await stored_pairs(state)
    assert stored["request"]["data"]
    assert [event["model"] for event in await stored_events(state)] == ["other"]


async def test_pair_rejected_by_a_concurrent_request_is_rejected(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_data = PendingStore.load_data

    async def load_too_late(store: PendingStore, pairs: Sequence[Document]) -> list[Document]:
        error = field_error("", "invalid", "They make no event.")
        await store.finish([PairOutcome(pair["_id"], 0, "rejected", error) for pair in pairs])
        return await load_data(store, pairs)

    monkeypatch.setattr(PendingStore, "load_data", load_too_late)
    response = await post_events(
        client,
        [
            message_event(REQUEST_TYPE, "a", V2_REQUEST),
            message_event(RESPONSE_TYPE, "a", V2_RESPONSE),
        ],
    )
    codes = [result["code"] for result in response.json()["results"]]
    assert codes == ["pair_refused"] * 2
    assert await stored_events(state) == []
