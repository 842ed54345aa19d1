"""Keys bound to models cannot read or write predictions of other models."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI

from service.documents.predictions.ingest.chunked_stream import MAX_CHUNK_LINES
from service.main import State
from tests.auth.factories import bearer, create_key, create_user
from tests.documents.predictions.cloudevents.inference_server import (
    REQUEST_TYPE,
    V2_REQUEST,
    cloud_event,
    message_event,
    post_structured,
)
from tests.documents.predictions.factories import (
    as_lines,
    ids_of,
    make_event,
    post_event,
    stored_ids,
)

PREDICTIONS = "/v1/predictions"
NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
async def bound(auth_client: httpx2.AsyncClient, state: State) -> httpx2.AsyncClient:
    """A client with a key bound to fraud-*."""
    owner = await create_user(state, "service")
    scopes = ("predictions:read", "predictions:write")
    key = await create_key(state, owner.id, *scopes, models=["fraud-*"])
    auth_client.headers.update(bearer(key))
    return auth_client


async def test_event_of_other_model_is_forbidden(bound: httpx2.AsyncClient, state: State) -> None:
    answer = await post_event(bound, make_event(model="churn"))
    assert (answer.status_code, answer.json()["code"]) == (403, "model_forbidden")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/model"]
    assert (await post_event(bound, make_event(model="fraud-eu"))).status_code == 201
    assert len(await stored_ids(state)) == 1


async def test_batch_events_are_checked_one_by_one(bound: httpx2.AsyncClient, state: State) -> None:
    models = ("fraud-eu", "churn", "fraud-us", "fraud")
    events = [make_event(model=model) for model in models]
    answer = await bound.post(f"{PREDICTIONS}/batch", json={"items": events})
    results = answer.json()["results"]
    assert answer.status_code == 207
    assert [result["status"] for result in results] == [201, 403, 201, 403]
    assert {result["errors"][0]["code"] for result in results[1::2]} == {"model_forbidden"}
    assert await stored_ids(state) == ids_of([events[0], events[2]])


async def test_stream_line_of_other_model_is_an_error(
    bound: httpx2.AsyncClient, state: State
) -> None:
    events = [make_event(model=model) for model in ("fraud-eu", "churn")]
    answer = await bound.post(f"{PREDICTIONS}/stream", content=as_lines(events), headers=NDJSON)
    (progress,) = [json.loads(line) for line in answer.content.splitlines()]
    assert (progress["created"], progress["rejected"]) == (1, 1)
    assert progress["errors"][0]["line"] == 2
    assert progress["errors"][0]["errors"][0]["code"] == "model_forbidden"
    assert await stored_ids(state) == ids_of(events[:1])


async def test_cloudevent_half_of_other_model_is_not_stored(
    bound: httpx2.AsyncClient, client: httpx2.AsyncClient
) -> None:
    for model, status in (("churn", 403), ("fraud-eu", 202)):
        half = message_event(REQUEST_TYPE, "7", V2_REQUEST) | {"inferenceservicename": model}
        answer = await post_structured(bound, half)
        assert answer.status_code == status
        if status == 403:
            assert answer.json()["code"] == "model_forbidden"
            assert answer.json()["errors"][0]["pointer"] == "/inferenceservicename"
    other = await post_structured(bound, cloud_event(make_event(model="churn")))
    assert (other.status_code, other.json()["errors"][0]["pointer"]) == (403, "/data/model")
    halves = "/v1/predictions/halves"
    assert [item["model"] for item in (await client.get(halves)).json()["items"]] == ["fraud-eu"]
    assert (await bound.get(halves)).status_code == 403
    assert (await bound.get(halves, params={"model": "fraud-eu"})).status_code == 200


async def test_half_refused_of_other_model_is_not_replayed(
    bound: httpx2.AsyncClient, client: httpx2.AsyncClient
) -> None:
    halves = "/v1/predictions/halves"
    for model in ("fraud-eu", "churn"):
        half = message_event(REQUEST_TYPE, "7", 7) | {"inferenceservicename": model}
        assert (await post_structured(client, half)).status_code == 422
    for model, status in (("churn", 403), ("", 422)):  # neither is kept
        half = message_event(REQUEST_TYPE, "8", 7) | {"inferenceservicename": model}
        assert (await post_structured(bound, half)).status_code == status
    refused = (await client.get(f"{halves}?state=refused")).json()["items"]
    assert {pair["model"] for pair in refused} == {"fraud-eu", "churn"}
    for pair in refused:
        answer = await bound.post(f"{halves}/{pair['pair_id']}/replay")
        assert answer.status_code == (404 if pair["model"] == "churn" else 200)
    for query, status in (("", 403), ("?model=churn", 403), ("?model=fraud-eu", 200)):
        assert (await bound.post(f"{halves}/replay{query}")).status_code == status


@pytest.mark.parametrize(
    ("params", "status"),
    [({}, 403), ({"model": "churn"}, 403), ({"model": "fraud-eu"}, 200), ({"model": ""}, 403)],
)
async def test_list_requires_a_model_of_the_key(
    bound: httpx2.AsyncClient, state: State, params: dict[str, str], status: int
) -> None:
    assert (await bound.get(PREDICTIONS, params=params)).status_code == status


async def test_prediction_of_other_model_is_not_found(
    bound: httpx2.AsyncClient, client: httpx2.AsyncClient
) -> None:
    other, own = make_event(model="churn"), make_event(model="fraud-eu")
    for event in (other, own):
        assert (await post_event(client, event)).status_code == 201
    hidden = await bound.get(f"{PREDICTIONS}/{other['prediction_id']}")
    missing = await bound.get(f"{PREDICTIONS}/{uuid4()}")
    assert hidden.status_code == missing.status_code == 404
    assert hidden.json()["detail"] == missing.json()["detail"]
    assert (await bound.get(f"{PREDICTIONS}/{own['prediction_id']}")).status_code == 200


async def test_feedback_for_other_model_is_not_found(
    bound: httpx2.AsyncClient, client: httpx2.AsyncClient
) -> None:
    other, own = make_event(model="churn"), make_event(model="fraud-eu")
    for event in (other, own):
        await post_event(client, event)
    feedback: dict[str, Any] = {"label": 1, "observed_at": "2026-01-06T08:00:00Z"}
    answer = await bound.put(f"{PREDICTIONS}/{other['prediction_id']}/feedback", json=feedback)
    assert (answer.status_code, answer.json()["code"]) == (404, "prediction_not_found")
    read = await client.get(f"{PREDICTIONS}/{other['prediction_id']}")
    assert read.json()["feedback"] is None
    answer = await bound.put(f"{PREDICTIONS}/{own['prediction_id']}/feedback", json=feedback)
    assert answer.status_code == 200


async def test_id_of_other_model_reveals_nothing(
    bound: httpx2.AsyncClient, client: httpx2.AsyncClient
) -> None:
    other = make_event(model="churn")
    await post_event(client, other)
    own = make_event(model="fraud-eu", prediction_id=other["prediction_id"])
    answer = await post_event(bound, own)
    assert answer.status_code == 409
    assert "churn" not in answer.text


async def test_token_of_key_is_bound_to_its_models(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    owner = await create_user(state, "service")
    key = await create_key(state, owner.id, "predictions:write", models=["fraud-*"])
    _, key_id, secret = key.split("_", 2)
    form = {"grant_type": "client_credentials", "client_id": key_id, "client_secret": secret}
    token = (await auth_client.post("/v1/auth/token", data=form)).json()["access_token"]
    event = make_event(model="churn")
    answer = await auth_client.post(PREDICTIONS, json=event, headers=bearer(token))
    assert (answer.status_code, answer.json()["code"]) == (403, "model_forbidden")


async def test_stream_ends_when_key_is_revoked(
    app: FastAPI, state: State, auth_client: httpx2.AsyncClient
) -> None:
    owner = await create_user(state, "admin")
    key = await create_key(state, owner.id, "predictions:write")
    key_id = key.split("_")[1]
    lines = as_lines([make_event() for _ in range(MAX_CHUNK_LINES)])

    async def body() -> AsyncIterator[bytes]:
        yield lines
        revoked = await auth_client.delete(f"/v1/api_keys/{key_id}", headers=owner.headers)
        assert revoked.status_code == 204
        yield as_lines([make_event() for _ in range(MAX_CHUNK_LINES)])

    headers = {**NDJSON, **bearer(key)}
    answer = await auth_client.post(f"{PREDICTIONS}/stream", content=body(), headers=headers)
    first, last = [json.loads(line) for line in answer.content.splitlines()]
    assert first["committed_through"] == MAX_CHUNK_LINES
    assert (last["status"], last["committed_through"]) == (401, MAX_CHUNK_LINES)
    assert len(await stored_ids(state)) == MAX_CHUNK_LINES
