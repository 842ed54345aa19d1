"""Batches and stream chunks wait for one of a few slots; single events do not."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import httpx2
import pytest
from fastapi import FastAPI

from service.core.circuit_breaker import WAITED, CircuitBreaker
from service.documents.predictions.ingest import limiter as limiter_module
from service.documents.predictions.ingest import writer as writer_module
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


async def test_batches_wait_for_a_slot_and_single_events_do_not(
    client: httpx2.AsyncClient, state: State
) -> None:
    events = make_events(3)
    labels = [
        {"prediction_id": item["prediction_id"], "label": 1, "observed_at": item["timestamp"]}
        for item in events
    ]
    async with AsyncExitStack() as slots:
        for _ in range(MAX_CONCURRENT_BATCHES):
            await slots.enter_async_context(state["intake_limiter"].worker_slot)
        requests = [
            asyncio.ensure_future(item)
            for item in (
                client.post("/v1/predictions/batch", json={"items": events[:2]}),
                client.post("/v1/predictions/stream", content=as_lines(events), headers=NDJSON),
                client.post("/v1/labels/batch", json={"items": labels}),
                client.post("/v1/labels/stream", content=as_lines(labels), headers=NDJSON),
            )
        ]
        for _ in range(3):
            assert (await client.post("/v1/predictions", json=make_event())).status_code == 201
        assert not any(item.done() for item in requests)
    assert [(await item).status_code for item in requests] == [200] * 4
    assert ids_of(events) <= await stored_ids(state)
    assert state["intake_limiter"].bytes == 0


async def test_batches_behind_writes_that_hang_are_refused_at_once(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter, events = state["intake_limiter"], make_events(2)
    # One of its own, which no other call of the process closes.
    breaker = CircuitBreaker("MongoDB", state["mongo"].deadline_seconds, lambda _error: None)
    monkeypatch.setattr(limiter, "_breaker", breaker)

    def send() -> Awaitable[tuple[httpx2.Response, httpx2.Response]]:
        return asyncio.gather(
            client.post("/v1/predictions/batch", json={"items": events}),
            client.post("/v1/predictions/stream", content=as_lines(events), headers=NDJSON),
        )

    async with AsyncExitStack() as slots, asyncio.timeout(30):
        for _ in range(MAX_CONCURRENT_BATCHES):
            await slots.enter_async_context(limiter.worker_slot)
        waiting = asyncio.ensure_future(send())
        while limiter.waiting < 2:
            await asyncio.sleep(0)
        breaker.circuit.record_failure(time.monotonic() - 2.0)  # in silence
        for response in (*await waiting, *await send()):
            assert (response.status_code, response.json()["code"]) == (503, "unavailable")
            assert response.headers["retry-after"] == "1"
        breaker.circuit.record_success()
    assert await stored_ids(state) == set()
    assert [response.status_code for response in await send()] == [200, 200]


async def test_batch_that_waited_its_share_is_refused_and_chunk_waits_on(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter = state["intake_limiter"]
    events = make_events(2)
    monkeypatch.setattr(limiter_module, "WAITING_SHARE", 0.001)
    async with AsyncExitStack() as slots, asyncio.timeout(30):
        for _ in range(MAX_CONCURRENT_BATCHES):
            await slots.enter_async_context(limiter.worker_slot)
        chunk_of_begun_stream = asyncio.create_task(_waited(limiter.stream_slot))
        while limiter.waiting < 1:
            await asyncio.sleep(0)
        batch = await client.post("/v1/predictions/batch", json={"items": events})
        stream = await client.post(
            "/v1/predictions/stream", content=as_lines(events), headers=NDJSON
        )
        for refused in (batch, stream):
            assert (refused.status_code, refused.json()["code"]) == (503, "busy")
        assert not chunk_of_begun_stream.done()
    await chunk_of_begun_stream


async def test_wait_for_a_slot_is_part_of_the_time_of_the_write(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter = state["intake_limiter"]
    monkeypatch.setattr(limiter_module, "STREAM_WAITING_SHARE", 0.0)
    async with AsyncExitStack() as slots:
        for _ in range(MAX_CONCURRENT_BATCHES - 1):
            await slots.enter_async_context(limiter.worker_slot)
        async with limiter.worker_slot:
            at_once = WAITED.get()
            behind = asyncio.create_task(_waited(limiter.worker_slot))
            in_stream = asyncio.create_task(_waited(limiter.stream_slot))
            while limiter.waiting < 2:
                await asyncio.sleep(0)
        assert await behind > at_once
        assert await in_stream == 0.0
    assert WAITED.get() == 0.0


async def _waited(slot: AbstractAsyncContextManager[None]) -> float:
    async with slot:
        return WAITED.get()


async def test_batches_concurrent_are_written_a_few_at_a_time(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, peak, original = 0, 0, writer_module.write

    async def counted(
        mongo: MongoStore, documents: Sequence[Document]
    ) -> list[writer_module.Outcome]:
        nonlocal writing, peak
        writing += 1
        peak = max(peak, writing)
        try:
            return await original(mongo, documents)
        finally:
            writing -= 1

    monkeypatch.setattr(writer_module, "write", counted)
    batches = [{"items": make_events(20)} for _ in range(4 * MAX_CONCURRENT_BATCHES)]
    responses = await asyncio.gather(
        *[client.post("/v1/predictions/batch", json=item) for item in batches]
    )
    assert [item.status_code for item in responses] == [200] * len(batches)
    assert 1 < peak <= MAX_CONCURRENT_BATCHES


@pytest.mark.parametrize("path", ["/v1/predictions/stream", "/v1/labels/stream"])
async def test_stream_partial_line_counts_as_in_flight(
    state: State, reset_stores: None, path: str
) -> None:
    limiter = state["intake_limiter"]
    async with serving(state) as port, asyncio.timeout(30):
        _, writer = await connect(port)
        head = request_head(path, "Content-Type: application/x-ndjson")
        writer.write(head + chunk(b"\n" * 10 + b"x" * 300_000))
        while limiter.bytes != 300_000:
            await asyncio.sleep(0.005)
        writer.write(chunk(b"x" * 50_000))
        while limiter.bytes != 350_000:
            await asyncio.sleep(0.005)
        writer.close()
        while limiter.bytes:
            await asyncio.sleep(0.005)


async def test_stream_line_above_the_limit_returns_429(
    app: FastAPI, state: State, reset_stores: None
) -> None:
    """The bytes that were acquired are released."""
    limiter = IntakeLimiter(100_000, state["mongo"].breaker)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 60_000

    limited = {**state, "intake_limiter": limiter}
    async with client_as(ADMINISTRATOR, app, limited) as client:
        response = await client.post("/v1/predictions/stream", content=chunks(), headers=NDJSON)
    assert (response.status_code, response.json()["code"]) == (429, "too_much_in_flight")
    assert limiter.bytes == 0
