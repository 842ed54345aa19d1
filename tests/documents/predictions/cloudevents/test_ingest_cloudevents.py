"""Requests and responses of a model server: in any order, at once, again, past a dead service."""

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from service.core.errors import FieldError
from service.documents.predictions.cloudevents.finish_pairs import SWEEP_SCHEDULE
from service.documents.predictions.cloudevents.pairing import pair_id_of, prediction_ids
from service.documents.predictions.cloudevents.pending import PairOutcome, PendingStore
from service.documents.predictions.documents import PENDING_PAIRS, PREDICTIONS
from service.documents.predictions.ingest.limiter import MAX_CONCURRENT_BATCHES
from service.main import State
from service.stores.mongo.client import Document, now
from tests.documents.predictions.cloudevents.inference_server import (
    ANSWERED,
    ASKED,
    REQUEST,
    RESPONSE,
    TRACE,
    answer,
    ask,
    half_event,
    log_half,
    post_events,
    post_structured,
)
from tests.documents.predictions.factories import make_event, stored_events
from tests.documents.predictions.live_server import serving
from tests.fixtures.service import running_service

FEATURES = {"iris_0": 6.8, "iris_1": 2.0}
OUTPUT = {"label": 2, "scores": [0.25, 0.75]}


@contextlib.asynccontextmanager
async def over_a_socket(state: State) -> AsyncIterator[httpx2.AsyncClient]:
    async with (
        serving(state) as port,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as speaking,
    ):
        yield speaking


async def pairs_in(state: State) -> list[dict[str, Any]]:
    return await state["mongo"].database[PENDING_PAIRS].find().to_list(None)


def id_of(event_id: str) -> str:
    return str(pair_id_of("models", "iris", "predictor", event_id))


@pytest.mark.parametrize("order", [(ask, answer), (answer, ask)], ids=["asked", "answered"])
async def test_a_request_and_its_response_become_an_event_in_either_order(
    state: State, reset_stores: None, order: Any
) -> None:
    event_id = str(uuid4())
    async with over_a_socket(state) as client:
        first, second = [await send(client, event_id) for send in order]
        read = (await client.get(second.headers["location"])).json()
    assert (first.status_code, first.json()["code"]) == (202, "waiting")
    assert (second.status_code, second.json()["code"]) == (201, "created")
    assert second.json()["prediction_ids"] == [id_of(event_id)]
    assert read.pop("received_at")
    assert read == {
        "prediction_id": id_of(event_id),
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
        "trace_id": TRACE,
        "request_id": event_id,
        "sampling_weight": 1.0,
        "sent_at": None,
        "tags": {"namespace": "models", "component": "predictor"},
        "role": "primary",
        "feedback": None,
    }


async def test_of_halves_that_come_at_once_and_often_there_is_one_event(
    state: State, reset_stores: None
) -> None:
    async with over_a_socket(state) as client:
        for _ in range(8):
            event_id = str(uuid4())
            sent = [send(client, event_id) for send in (ask, answer) * 6]
            answers = await asyncio.gather(*sent)
            assert {each.status_code for each in answers} <= {200, 201, 202}
            assert [each.status_code for each in answers].count(201) == 1
            (again,) = {(await send(client, event_id)).status_code for send in (ask, answer)}
            assert again == 200
    assert len(await stored_events(state)) == 8
    pairs = await pairs_in(state)
    assert [pair["state"] for pair in pairs] == ["logged"] * 8
    assert not any("data" in pair[side] for pair in pairs for side in ("request", "response"))


async def test_a_half_that_comes_again_waits_as_before(client: httpx2.AsyncClient) -> None:
    event_id = str(uuid4())
    for _ in range(2):
        assert (await ask(client, event_id)).status_code == 202
    spaced = json.dumps(ASKED, indent=4).encode()  # the same, written otherwise
    assert (await ask(client, event_id, spaced)).status_code == 202


async def test_another_half_under_the_same_id_is_a_conflict_and_the_first_is_kept(
    client: httpx2.AsyncClient, state: State
) -> None:
    event_id = str(uuid4())
    await ask(client, event_id)
    tensor = {**ASKED["inputs"][0], "data": [1.0, 2.0]}
    other = await ask(client, event_id, {"inputs": [tensor]})
    assert (other.status_code, other.json()["code"]) == (409, "half_conflict")
    assert (await answer(client, event_id)).status_code == 201
    assert [each["features"] for each in await stored_events(state)] == [FEATURES]


async def test_a_tensor_of_several_rows_is_an_event_each(
    client: httpx2.AsyncClient, state: State
) -> None:
    asked = {
        "inputs": [
            {"name": "age", "shape": [3, 1], "datatype": "INT32", "data": [20, 30, None]},
            {"name": "plan", "shape": [3], "datatype": "BYTES", "data": ["a", "b", "c"]},
        ]
    }
    answered = {
        "outputs": [
            {"name": "churn", "shape": [3, 1], "datatype": "FP32", "data": [[0.5], [1], [0]]}
        ]
    }
    event_id = "request-17"
    await ask(client, event_id, asked)
    created = await answer(client, event_id, answered)
    pair_id = pair_id_of("models", "iris", "predictor", event_id)
    ids = [str(each) for each in prediction_ids(pair_id, 3)]
    assert (created.status_code, created.json()["prediction_ids"]) == (201, ids)
    stored = {str(each["_id"]): each for each in await stored_events(state)}
    assert [stored[each]["features"] for each in ids] == [
        {"age": 20, "plan": "a"},
        {"age": 30, "plan": "b"},
        {"age": None, "plan": "c"},
    ]
    assert [stored[each]["output"] for each in ids] == [{"value": v} for v in (0.5, 1.0, 0.0)]
    assert {each["version"] for each in stored.values()} == {"unversioned"}
    assert (await ask(client, event_id, asked)).json()["prediction_ids"] == ids


async def test_canary_and_services_of_one_id_stand_apart(
    client: httpx2.AsyncClient, state: State
) -> None:
    event_id = str(uuid4())
    for more in ({"Ce-Endpoint": "canary"}, {"Ce-Inferenceservicename": "tulip"}):
        await log_half(client, REQUEST, event_id, ASKED, **more)
        assert (await log_half(client, RESPONSE, event_id, ANSWERED, **more)).status_code == 201
    stored = {each["model"]: each for each in await stored_events(state)}
    assert (stored["iris"]["role"], stored["tulip"]["role"]) == ("canary", "primary")
    assert stored["tulip"]["tags"]["model_name"] == "iris"


async def test_a_batch_joins_its_halves_and_those_that_wait(
    client: httpx2.AsyncClient, state: State
) -> None:
    waits, together, alone = (str(uuid4()) for _ in range(3))
    await ask(client, waits)
    told = await post_events(
        client,
        [
            half_event(RESPONSE, waits, ANSWERED),
            half_event(REQUEST, together, ASKED),
            half_event(RESPONSE, together, ANSWERED),
            half_event(REQUEST, alone, ASKED),
            half_event(REQUEST, "odd", {"inputs": []}),
        ],
    )
    assert told.status_code == 207
    body = told.json()
    assert [each["status"] for each in body["results"]] == [201, 201, 201, 202, 422]
    assert (body["created"], body["waiting"], body["rejected"]) == (3, 1, 1)
    assert body["results"][4]["errors"][0]["pointer"] == "/data/inputs"
    assert {str(each["_id"]) for each in await stored_events(state)} == {
        id_of(waits),
        id_of(together),
    }


async def test_a_service_that_dies_between_the_halves_has_lost_nothing(tmp_path: Path) -> None:
    ids = [str(uuid4()) for _ in range(20)]
    with running_service(tmp_path) as service:
        async with httpx2.AsyncClient(base_url=service.url, headers=service.headers) as client:
            for event_id in ids:
                assert (await ask(client, event_id)).status_code == 202
        service.end(signal.SIGKILL)
    with running_service(tmp_path) as service:
        async with httpx2.AsyncClient(base_url=service.url, headers=service.headers) as client:
            assert {(await answer(client, each)).status_code for each in ids} == {201}
            assert {(await answer(client, each)).status_code for each in ids} == {200}
            listed = await client.get("/v1/predictions?model=iris&count=exact")
    assert listed.json()["total"] == 20


@pytest.mark.parametrize("written", [False, True], ids=["before", "after"])
async def test_a_pair_over_which_somebody_died_is_finished_by_a_retry_and_by_who_comes_next(
    client: httpx2.AsyncClient, state: State, written: bool
) -> None:
    """Both halves are there; the event is not written yet, or is and the pair does not say so."""
    halves, predictions = (state["mongo"].database[name] for name in (PENDING_PAIRS, PREDICTIONS))
    for retried in (True, False):
        event_id = str(uuid4())
        await ask(client, event_id)
        (waiting,) = await halves.find({"state": "waiting"}).to_list(None)
        assert (await answer(client, event_id)).status_code == 201
        (logged,) = await halves.find({"_id": waiting["_id"]}).to_list(None)
        response = {**logged["response"], "data": json.dumps(ANSWERED).encode()}
        died = {**waiting, "response": response, "state": "whole"}
        died["received_at"] = now() - timedelta(minutes=1)
        await halves.replace_one({"_id": waiting["_id"]}, died)
        before = await predictions.find_one({"_id": waiting["_id"]})
        if not written:
            await predictions.delete_one({"_id": waiting["_id"]})
        if retried:
            told = await answer(client, event_id)
            assert (told.status_code, told.json()["code"]) == (
                (200, "duplicate") if written else (201, "created")
            )
        else:
            SWEEP_SCHEDULE.last = float("-inf")
            await ask(client, str(uuid4()))
        after = await predictions.find_one({"_id": waiting["_id"]})
        assert before is not None
        assert after is not None
        assert after["hash"] == before["hash"]
        (ended,) = await halves.find({"_id": waiting["_id"]}).to_list(None)
        assert ended["state"] == "logged"
        await halves.delete_many({"state": "waiting"})


async def test_halves_that_wait_are_listed_and_counted_and_run_out(
    client: httpx2.AsyncClient, state: State
) -> None:
    for event_id in ("a", "b"):
        await ask(client, event_id)
    await answer(client, "c")
    await log_half(client, REQUEST, "d", ASKED, **{"Ce-Inferenceservicename": "tulip"})
    listed = (await client.get("/v1/predictions/halves?count=exact")).json()
    assert listed["total"] == 4
    assert {each["event_id"]: each["has"] for each in listed["items"]} == {
        "a": ["request"],
        "b": ["request"],
        "c": ["response"],
        "d": ["request"],
    }
    of_one = (await client.get("/v1/predictions/halves?model=tulip&state=waiting")).json()
    assert [each["event_id"] for each in of_one["items"]] == ["d"]
    for pair in await pairs_in(state):
        assert pair["expires_at"] - pair["received_at"] == timedelta(days=7)


async def test_a_pair_whose_id_is_taken_is_a_conflict_and_is_kept(
    client: httpx2.AsyncClient, state: State
) -> None:
    event_id = str(uuid4())
    other = make_event(prediction_id=id_of(event_id), model="other")
    assert (await client.post("/v1/predictions", json=other)).status_code == 201
    await ask(client, event_id)
    for _ in range(2):
        refused = await answer(client, event_id)
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    listed = (await client.get("/v1/predictions/halves?state=refused")).json()["items"]
    assert [(each["event_id"], each["refusal"]["code"]) for each in listed] == [
        (event_id, "conflict")
    ]
    (kept,) = await pairs_in(state)
    assert kept["request"]["data"]
    assert [each["model"] for each in await stored_events(state)] == ["other"]


async def test_halves_are_the_same_in_each_mode_and_of_whatever_content_type(
    client: httpx2.AsyncClient, state: State
) -> None:
    """KServe hands on the content type of who asked, which curl -d calls a form."""
    event_id, form = str(uuid4()), "application/x-www-form-urlencoded"
    binary = await log_half(client, REQUEST, event_id, ASKED, **{"Content-Type": form})
    assert (binary.status_code, binary.json()["code"]) == (202, "waiting")
    for data, kind in ((ASKED, "application/json"), (json.dumps(ASKED), form)):
        again = half_event(REQUEST, event_id, data, datacontenttype=kind)
        assert (await post_structured(client, again)).status_code == 202
    told = await post_structured(client, half_event(RESPONSE, event_id, ANSWERED))
    assert (told.status_code, told.json()["prediction_ids"]) == (201, [id_of(event_id)])
    assert {each["_id"] for each in await stored_events(state)} == {UUID(id_of(event_id))}


async def test_a_half_may_be_as_large_as_a_batch(client: httpx2.AsyncClient, state: State) -> None:
    rows, columns = 1000, 100
    numbers = [number / 8 for number in range(rows * columns)]
    asked = {"name": "x", "shape": [rows, columns], "datatype": "FP64", "data": numbers}
    answered = {"name": "y", "shape": [rows], "datatype": "FP64", "data": numbers[:rows]}
    assert (await ask(client, "large", {"inputs": [asked]})).status_code == 202
    told = await answer(client, "large", {"outputs": [answered]})
    assert (told.status_code, len(told.json()["prediction_ids"])) == (201, rows)
    stored = await stored_events(state)
    assert sorted(each["output"]["value"] for each in stored) == numbers[:rows]
    assert {len(each["features"]) for each in stored} == {columns}


async def test_a_pair_that_somebody_else_refuses_meanwhile_is_told_as_refused(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_data = PendingStore.load_data

    async def late(store: PendingStore, pairs: Sequence[Document]) -> list[Document]:
        refusal = FieldError(pointer="", code="invalid", detail="They make no event.")
        await store.finish([PairOutcome(pair["_id"], 0, "refused", refusal) for pair in pairs])
        return await with_data(store, pairs)

    monkeypatch.setattr(PendingStore, "load_data", late)
    told = await post_events(
        client, [half_event(REQUEST, "a", ASKED), half_event(RESPONSE, "a", ANSWERED)]
    )
    assert [each["code"] for each in told.json()["results"]] == ["pair_refused"] * 2
    assert await stored_events(state) == []


async def test_a_large_half_waits_for_its_turn_and_a_small_one_does_not(
    client: httpx2.AsyncClient, state: State
) -> None:
    numbers = {"name": "x", "shape": [200, 100], "datatype": "INT32", "data": [1000] * 20_000}
    async with AsyncExitStack() as turns:
        for _ in range(MAX_CONCURRENT_BATCHES):
            await turns.enter_async_context(state["intake_limiter"].worker_slot)
        large = asyncio.ensure_future(ask(client, "large", {"inputs": [numbers]}))
        for number in range(3):
            assert (await ask(client, f"small {number}")).status_code == 202
        assert not large.done()
    assert (await large).status_code == 202
