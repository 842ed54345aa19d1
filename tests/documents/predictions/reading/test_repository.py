"""How predictions are found, and what an insert makes of a store that half fails."""

from itertools import combinations
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from pymongo.errors import BulkWriteError

from service.core.errors import OutcomeUnknown
from service.documents.predictions.documents import PREDICTIONS
from service.documents.predictions.ingest.event import Event, to_document
from service.documents.predictions.ingest.writer import write
from service.documents.predictions.reading.schemas import PredictionQuery
from service.main import State
from service.stores.mongo.client import now
from tests.documents.predictions.factories import make_event, make_events, post_batch, stored_events
from tests.documents.predictions.mongo_profiler import profiling, scans

FEW: dict[str, Any] = {
    "model": "rare",
    "status": "error",
    "user_id": str(uuid4()),
    "order_id": str(uuid4()),
    "timestamp__gte": "2026-03-01T00:00:00Z",
    "timestamp__lt": "2025-03-01T00:00:00Z",
}


async def test_each_filter_reads_no_more_documents_than_it_finds(
    client: httpx2.AsyncClient, state: State
) -> None:
    few = [make_event(**{name: value}) for name, value in FEW.items() if "__" not in name]
    await post_batch(client, make_events(300) + few)
    for name, value in FEW.items():
        async with profiling(state) as profile:
            answer = await client.get("/v1/predictions", params={name: value, "limit": 10})
        (find,) = profile
        assert find["docsExamined"] == len(answer.json()["items"]) <= 1, name
        assert "hasSortStage" not in find, name


async def test_no_filter_and_no_two_together_look_through_the_collection(
    client: httpx2.AsyncClient, state: State
) -> None:
    given = {**FEW, "version": "3"}
    assert set(given) == set(PredictionQuery.model_fields) - {"limit", "cursor", "sort", "count"}
    await post_batch(client, make_events(20))
    async with profiling(state) as profile:
        for size in (0, 1, 2):
            for names in combinations(given, size):
                # To count all is to look at all; a version means something within a model only.
                count = "none" if names in ((), ("version",)) else "exact"
                query = {name: given[name] for name in names} | {"count": count}
                assert (await client.get("/v1/predictions", params=query)).status_code == 200
    assert len(profile) > 50
    assert scans(profile) == []


async def test_a_later_page_starts_where_the_one_before_ended(
    client: httpx2.AsyncClient, state: State
) -> None:
    await post_batch(client, make_events(400, timestamp="2026-01-05T00:00:00Z"))
    await post_batch(client, make_events(400, timestamp="2026-01-06T00:00:00Z"))
    query: dict[str, Any] = {"limit": 200, "model": "fraud"}
    for _ in range(3):
        page = (await client.get("/v1/predictions", params=query)).json()["page"]
        query["cursor"] = page["next_cursor"]
    async with profiling(state) as profile:
        await client.get("/v1/predictions", params={**query, "limit": 200})
    find = profile[0]  # 600 have gone before, most of them in a tie
    assert find["keysExamined"] <= find["nreturned"] + 10


async def test_what_somebody_else_kept_with_an_event_does_not_go_out(
    client: httpx2.AsyncClient, state: State
) -> None:
    event = make_event(sent_at="2026-01-05T01:00:00.5+01:00", user_id=str(uuid4()))
    await post_batch(client, [event])
    log = state["mongo"].database[PREDICTIONS]
    odd = {"secret": 1, "features.there": 2**40, "features.at": now()}
    await log.update_one({}, {"$set": odd})
    (item,) = (await client.get("/v1/predictions")).json()["items"]
    one = (await client.get(f"/v1/predictions/{event['prediction_id']}")).json()
    assert "secret" not in item
    assert item == {name: value for name, value in one.items() if name != "feedback"}
    assert item["sent_at"] == "2026-01-05T00:00:00.500Z"
    assert item["features"]["there"] == 2**40
    assert item["features"]["at"].endswith("Z")


async def test_a_write_that_is_not_durable_is_not_acknowledged(
    state: State, reset_stores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = to_document(_event(), now())
    failure = {"writeErrors": [], "writeConcernErrors": [{"code": 64, "errmsg": "waiting"}]}

    async def insert_many(*_: object, **__: object) -> None:
        raise BulkWriteError(failure)

    monkeypatch.setattr(type(state["mongo"].database[PREDICTIONS]), "insert_many", insert_many)
    with pytest.raises(OutcomeUnknown):
        await write(state["mongo"], [document, {**document, "_id": uuid4()}])


async def test_what_is_stored_is_what_was_sent_and_its_hash(
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
