"""Batches and streams are worked on a few at a time; single events and others do not wait."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

import httpx2
import pytest
from fastapi import FastAPI

from service.documents.predictions.ingest import writer as log
from service.documents.predictions.ingest.limiter import MAX_CONCURRENT_BATCHES, IntakeLimiter
from service.main import State
from service.stores.mongo.client import Document, MongoStore
from tests.documents.predictions.factories import (
    as_lines,
    ids_of,
    make_event,
    make_events,
    stored_ids,
)
from tests.documents.predictions.live_server import chunk, connect, request_head, serving
from tests.fixtures.client import ADMINISTRATOR, client_as

NDJSON = {"Content-Type": "application/x-ndjson"}


async def test_groups_wait_for_their_turn_and_single_events_do_not(
    client: httpx2.AsyncClient, state: State
) -> None:
    events = make_events(3)
    labels = [
        {"prediction_id": each["prediction_id"], "label": 1, "observed_at": each["timestamp"]}
        for each in events
    ]
    async with AsyncExitStack() as turns:
        for _ in range(MAX_CONCURRENT_BATCHES):
            await turns.enter_async_context(state["intake_limiter"].worker_slot)
        asked = [
            asyncio.ensure_future(each)
            for each in (
                client.post("/v1/predictions/batch", json={"items": events[:2]}),
                client.post("/v1/predictions/stream", content=as_lines(events), headers=NDJSON),
                client.post("/v1/labels/batch", json={"items": labels}),
                client.post("/v1/labels/stream", content=as_lines(labels), headers=NDJSON),
            )
        ]
        for _ in range(3):
            assert (await client.post("/v1/predictions", json=make_event())).status_code == 201
        assert not any(each.done() for each in asked)
    assert [(await each).status_code for each in asked] == [200] * 4
    assert ids_of(events) <= await stored_ids(state)
    assert state["intake_limiter"].bytes == 0


async def test_few_groups_are_written_at_a_time(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, most, plain = 0, 0, log.write

    async def counted(mongo: MongoStore, documents: Sequence[Document]) -> list[log.Outcome]:
        nonlocal writing, most
        writing += 1
        most = max(most, writing)
        try:
            return await plain(mongo, documents)
        finally:
            writing -= 1

    monkeypatch.setattr(log, "write", counted)
    batches = [{"items": make_events(20)} for _ in range(4 * MAX_CONCURRENT_BATCHES)]
    answers = await asyncio.gather(
        *[client.post("/v1/predictions/batch", json=each) for each in batches]
    )
    assert [each.status_code for each in answers] == [200] * len(batches)
    assert 1 < most <= MAX_CONCURRENT_BATCHES


@pytest.mark.parametrize("path", ["/v1/predictions/stream", "/v1/labels/stream"])
async def test_a_line_whose_end_has_not_come_is_in_flight_too(
    state: State, reset_stores: None, path: str
) -> None:
    intake_limiter = state["intake_limiter"]
    async with serving(state) as port, asyncio.timeout(30):
        _, writer = await connect(port)
        head = request_head(path, "Content-Type: application/x-ndjson")
        writer.write(head + chunk(b"\n" * 10 + b"x" * 300_000))
        while intake_limiter.bytes != 300_000:
            await asyncio.sleep(0.005)
        writer.write(chunk(b"x" * 50_000))
        while intake_limiter.bytes != 350_000:
            await asyncio.sleep(0.005)
        writer.close()
        while intake_limiter.bytes:
            await asyncio.sleep(0.005)


async def test_who_has_no_room_for_a_line_hears_of_it(
    app: FastAPI, state: State, reset_stores: None
) -> None:
    """And the room that there was is there again."""
    intake_limiter = IntakeLimiter(max_bytes=100_000)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 60_000

    held = {**state, "intake_limiter": intake_limiter}
    async with client_as(ADMINISTRATOR, app, held) as client:
        answer = await client.post("/v1/predictions/stream", content=pieces(), headers=NDJSON)
    assert (answer.status_code, answer.json()["code"]) == (429, "too_much_in_flight")
    assert intake_limiter.bytes == 0
