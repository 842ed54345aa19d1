"""Inserts of events: what is stored, and errors of the write concern."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from pymongo.errors import BulkWriteError

from service.core.circuit_breaker import Circuit
from service.core.errors import OutcomeUnknown
from service.documents.predictions.documents import PREDICTIONS
from service.documents.predictions.ingest.document import to_document
from service.documents.predictions.ingest.event import PlainEvent
from service.documents.predictions.ingest.writer import write
from service.main import State
from service.stores.mongo.client import Document, now
from tests.documents.predictions.factories import (
    ids_of,
    make_event,
    make_events,
    post_batch,
    post_event,
    stored_events,
    stored_ids,
)


async def test_write_not_durable_raises_outcome_unknown(
    state: State, reset_stores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = to_document(_event(), now())
    failure = {"writeErrors": [], "writeConcernErrors": [{"code": 64, "errmsg": "waiting"}]}

    async def insert_many(*_: object, **__: object) -> None:
        raise BulkWriteError(failure)

    monkeypatch.setattr(type(state["mongo"].database[PREDICTIONS]), "insert_many", insert_many)
    with pytest.raises(OutcomeUnknown):
        await write(state["mongo"], [document, {**document, "_id": uuid4()}])


async def test_event_behind_inserts_that_hang_is_refused_at_once(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A circuit of its own, which no other call of the process closes.
    writer, circuit = state["shared_writer"], Circuit("MongoDB")
    reached, released, write_group = asyncio.Event(), asyncio.Event(), writer._write

    async def hang(documents: Sequence[Document]) -> Any:
        reached.set()
        await released.wait()
        return await write_group(documents)

    monkeypatch.setattr(writer, "_write", hang)
    monkeypatch.setattr(writer, "_circuit", circuit)
    hanging, behind = make_events(2)
    first = asyncio.create_task(post_event(client, hanging))
    async with asyncio.timeout(30):
        await reached.wait()
        circuit.record_failure(time.monotonic() - 2.0)  # of another call, in silence
        refused = await post_event(client, behind)
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert refused.headers["retry-after"] == "1"
        released.set()
        assert (await first).status_code == 201
    assert await stored_ids(state) == ids_of([hanging])


async def test_stored_document_has_the_sent_fields_and_a_hash(
    client: httpx2.AsyncClient, state: State
) -> None:
    await post_batch(client, [make_event()])
    (document,) = await stored_events(state)
    assert len(document.pop("hash")) == 16
    assert set(document) == {
        *("_id", "timestamp", "model", "version", "features", "output", "latency_ms"),
        *("status", "role", "received_at"),
    }


def _event() -> PlainEvent:
    sent = make_event()
    return PlainEvent(
        prediction_id=uuid4(),
        timestamp=now(),
        **{name: sent[name] for name in ("model", "version", "features")},
    )
