"""Batches: each event has a result, whatever was sent before or concurrently."""

import asyncio
import copy
import json
import random
from typing import Any

import httpx2

from service.main import State
from tests.documents.predictions.factories import (
    ids_of,
    make_event,
    make_events,
    post_batch,
    sample_events,
    stored_events,
    stored_ids,
)


async def test_batch_results_have_the_order_of_the_request(client: httpx2.AsyncClient) -> None:
    known, other = make_events(2)
    await post_batch(client, [known, other])
    new = make_event()
    invalid = {**make_event(), "timestamp": "yesterday"}
    response = await client.post(
        "/v1/predictions/batch",
        json={"items": [invalid, new, known, {**other, "features": {}}, {"prediction_id": 7}]},
    )
    assert response.status_code == 207
    batch = response.json()
    assert [(item["prediction_id"], item["status"], item["code"]) for item in batch["results"]] == [
        (invalid["prediction_id"], 422, "rejected"),
        (new["prediction_id"], 201, "created"),
        (known["prediction_id"], 200, "duplicate"),
        (other["prediction_id"], 409, "conflict"),
        (None, 422, "rejected"),
    ]
    counts = {name: batch[name] for name in ("created", "duplicates", "conflicts", "rejected")}
    assert counts == {"created": 1, "duplicates": 1, "conflicts": 1, "rejected": 2}


async def test_batch_of_created_and_duplicates_returns_200(client: httpx2.AsyncClient) -> None:
    events = make_events(2)
    await post_batch(client, events[:1])
    response = await client.post("/v1/predictions/batch", json={"items": events})
    assert response.status_code == 200


async def test_batch_with_a_repeated_id_has_a_result_for_each(
    client: httpx2.AsyncClient, state: State
) -> None:
    event, single = make_events(2)
    altered = {**event, "features": {"amount": 0}}
    batch = await post_batch(client, [event, single, event, altered, event])
    codes = [item["code"] for item in batch["results"]]
    assert codes == ["created", "created", "duplicate", "conflict", "duplicate"]
    stored = {str(item["_id"]): item["features"] for item in await stored_events(state)}
    assert stored[event["prediction_id"]] == event["features"]


async def test_batch_from_20_clients_is_stored_once(
    client: httpx2.AsyncClient, state: State
) -> None:
    events = make_events(100)
    shuffled = [random.sample(events, len(events)) for _ in range(20)]
    responses = await asyncio.gather(*(post_batch(client, item) for item in shuffled))
    assert sum(item["created"] for item in responses) == 100
    assert sum(item["duplicates"] for item in responses) == 1900
    assert await stored_ids(state) == ids_of(events)


async def test_batch_rejected_event_leaves_its_id_free(
    client: httpx2.AsyncClient,
) -> None:
    event = make_event()
    batch = await post_batch(client, [{**event, "features": {"a": "\x00"}}])
    assert batch["rejected"] == 1
    assert (await post_batch(client, [event]))["created"] == 1


async def test_event_values_keep_their_types(
    client: httpx2.AsyncClient,
) -> None:
    features: dict[str, Any] = {
        "int": 3,
        "float": 3.0,
        "big": 2**63 - 1,
        "small": -(2**63),
        "tiny": 5e-324,
        "huge": 1.7976931348623157e308,
        "precise": 0.1 + 0.2,
        "true": True,
        "none": None,
        "text": "ÿ 🦉 \u2028",
        "list": [1, 2.5, "x", None, [], {}],
        "deep": {"a": {"b": [{"c": False}]}},
        "key with space/and~more": 1,
    }
    event = make_event(features=features, output={"scores": [1, 0.5], "label": True, "value": 2})
    await post_batch(client, [event])
    read = (await client.get(f"/v1/predictions/{event['prediction_id']}")).text
    assert json.loads(read)["features"] == features
    assert '"float":3.0' in read
    assert '"int":3,' in read
    assert '"label":true' in read
    resent = {**event, "features": json.loads(read)["features"]}
    assert (await post_batch(client, [resent]))["duplicates"] == 1


async def _post_all(client: httpx2.AsyncClient, events: list[dict[str, Any]]) -> dict[str, int]:
    """Send batches of 500; return the sums of their counts."""
    total = {"created": 0, "duplicates": 0, "conflicts": 0, "rejected": 0}
    for start in range(0, len(events), 500):
        batch = await post_batch(client, events[start : start + 500])
        total = {name: count + batch[name] for name, count in total.items()}
    return total


async def test_sample_traffic_is_stored_once_and_never_overwritten(
    client: httpx2.AsyncClient, state: State
) -> None:
    """All of it is sent by tests/cli/test_serve.py."""
    events = sample_events()[:1500]
    created = len(ids_of(events))
    assert created < 1500, "some are repeated"
    none = {"created": 0, "duplicates": 0, "conflicts": 0, "rejected": 0}
    first = {**none, "created": created, "duplicates": 1500 - created}
    assert await _post_all(client, events) == first
    before = await stored_events(state)
    assert len(before) == created
    assert await _post_all(client, events) == {**none, "duplicates": 1500}

    altered = copy.deepcopy(events[:500])
    changed: set[str] = set()
    for event in altered[::50]:
        assert event["prediction_id"] not in changed
        changed.add(event["prediction_id"])
        event["features"]["mean_radius"] += 0.000001
    batch = await _post_all(client, altered)
    assert batch == {**none, "conflicts": 10, "duplicates": 490}
    assert await stored_events(state) == before
