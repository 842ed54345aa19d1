"""Queries of the list: indexes, pages, and fields that are not returned."""

from itertools import combinations
from typing import Any
from uuid import uuid4

import httpx2

from service.documents.predictions.documents import PREDICTIONS
from service.documents.predictions.reading.schemas import PredictionQuery
from service.main import State
from service.stores.mongo.client import now
from tests.documents.predictions.factories import make_event, make_events, post_batch
from tests.documents.predictions.mongo_profiler import profiling, scans

RARE: dict[str, Any] = {
    "model": "rare",
    "status": "error",
    "user_id": str(uuid4()),
    "order_id": str(uuid4()),
    "timestamp__gte": "2026-03-01T00:00:00Z",
    "timestamp__lt": "2025-03-01T00:00:00Z",
    "trace_id": "t-1",
    "request_id": "r-1",
    "role": "shadow",
    "prediction_id": "of-its-own",
}
# Without an index of their own: they narrow what another filter or the order selects.
NARROWING: dict[str, Any] = {"version": "3", "tag": "region=eu", "labelled": True, "labels": True}
ARRIVAL: dict[str, Any] = {
    "received_at__gte": "2026-03-01T00:00:00Z",
    "received_at__lt": "2199-01-01T00:00:00Z",
}


async def test_list_each_filter_examines_only_its_matches(
    client: httpx2.AsyncClient, state: State
) -> None:
    matches = [make_event(**{name: value}) for name, value in RARE.items() if "__" not in name]
    await post_batch(client, make_events(300) + matches)
    for name, value in RARE.items():
        async with profiling(state) as profile:
            response = await client.get("/v1/predictions", params={name: value, "limit": 10})
        (find,) = profile
        assert find["docsExamined"] == len(response.json()["items"]) <= 1, name
        assert "hasSortStage" not in find or name == "prediction_id", name  # it sorts one


async def test_list_filters_alone_and_in_pairs_use_an_index(
    client: httpx2.AsyncClient, state: State
) -> None:
    filters = {**RARE, **NARROWING, **ARRIVAL}
    assert set(filters) == set(PredictionQuery.model_fields) - {"limit", "cursor", "sort", "count"}
    await post_batch(client, make_events(20))
    async with profiling(state) as profile:
        for size in (0, 1, 2):
            for names in combinations(filters, size):
                # Counting all examines all; there is no index on version without model.
                is_narrow = NARROWING.keys() | ARRIVAL.keys() >= set(names)
                count = "none" if is_narrow or "labelled" in names else "exact"
                query = {name: filters[name] for name in names} | {"count": count}
                assert (await client.get("/v1/predictions", params=query)).status_code == 200
    assert len(profile) > 50
    assert scans(profile) == []


async def test_list_later_page_starts_at_its_cursor(
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
    find = profile[0]  # 600 precede it, most with a tied timestamp
    assert find["keysExamined"] <= find["nreturned"] + 10


async def test_unknown_stored_fields_are_not_returned(
    client: httpx2.AsyncClient, state: State
) -> None:
    event = make_event(sent_at="2026-01-05T01:00:00.5+01:00", user_id=str(uuid4()))
    await post_batch(client, [event])
    log = state["mongo"].database[PREDICTIONS]
    foreign = {"secret": 1, "features.large": 2**40, "features.at": now()}
    await log.update_one({}, {"$set": foreign})
    (item,) = (await client.get("/v1/predictions")).json()["items"]
    detail = (await client.get(f"/v1/predictions/{event['prediction_id']}")).json()
    assert "secret" not in item
    assert item == {name: value for name, value in detail.items() if name != "feedback"}
    assert item["sent_at"] == "2026-01-05T00:00:00.500Z"
    assert item["features"]["large"] == 2**40
    assert item["features"]["at"].endswith("Z")
