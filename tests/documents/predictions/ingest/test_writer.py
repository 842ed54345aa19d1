"""Inserts of events: what is stored, and errors of the write concern."""

from uuid import uuid4

import httpx2
import pytest
from pymongo.errors import BulkWriteError

from service.core.errors import OutcomeUnknown
from service.documents.predictions.documents import PREDICTIONS
from service.documents.predictions.ingest.event import Event, to_document
from service.documents.predictions.ingest.writer import write
from service.main import State
from service.stores.mongo.client import now
from tests.documents.predictions.factories import make_event, post_batch, stored_events


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


def _event() -> Event:
    sent = make_event()
    return Event(
        prediction_id=uuid4(),
        timestamp=now(),
        **{name: sent[name] for name in ("model", "version", "features")},
    )
