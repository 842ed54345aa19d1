"""Single events, reading them back, and the list."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from service.main import State
from tests.documents.predictions.factories import (
    JSON,
    ids_of,
    make_event,
    make_events,
    post_batch,
    post_event,
    stored_events,
    stored_ids,
)


async def test_an_event_is_created_and_reads_back_as_it_was_sent(
    client: httpx2.AsyncClient,
) -> None:
    event = make_event(
        output={"label": "cat", "scores": {"cat": 0.75, "dog": 0.25}, "score": 0.75},
        status="fallback",
        error={"type": "Timeout", "message": "too late"},
        user_id=str(uuid4()),
        order_id=str(uuid4()),
        trace_id="abc",
        request_id="r-1",
        tags={"region": "eu"},
        role="shadow",
        sampling_weight=20.0,
        sent_at="2026-01-05T00:00:03.000Z",
    )
    created = await post_event(client, event)
    assert (created.status_code, created.json()["code"]) == (201, "created")
    read = (await client.get(created.headers["location"])).json()
    assert read.pop("received_at").endswith("Z")
    assert read.pop("feedback") is None
    assert read == event


async def test_another_try_says_another_time_and_is_the_same_event(
    client: httpx2.AsyncClient,
) -> None:
    event = make_event()
    for sent_at, code in (
        ("2026-01-05T00:00:03Z", "created"),
        ("2026-01-05T00:09:00Z", "duplicate"),
    ):
        answer = await post_event(client, {**event, "sent_at": sent_at})
        assert answer.json()["code"] == code
    read = (await client.get(f"/v1/predictions/{event['prediction_id']}")).json()
    assert read["sent_at"] == "2026-01-05T00:00:03.000Z"


async def test_the_far_future_is_refused_and_a_clock_that_is_a_little_fast_is_not(
    client: httpx2.AsyncClient,
) -> None:
    fast, far = (
        make_event(timestamp=(datetime.now(UTC) + ahead).isoformat())
        for ahead in (timedelta(minutes=50), timedelta(minutes=70))
    )
    told = await post_batch(client, [fast, far, make_event()])
    assert [each["status"] for each in told["results"]] == [201, 422, 201]
    (error,) = told["results"][1]["errors"]
    assert (error["pointer"], error["code"]) == ("/timestamp", "in_the_future")


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"features": {"x": 1, "image": "y" * 1_048_576}}, "/features/image"),
        ({"features": {"x": 1, "rows": [["y" * 300] * 10] * 400}}, "/features/rows"),
    ],
)
async def test_an_event_that_is_too_big_names_its_largest_part(
    client: httpx2.AsyncClient, state: State, fields: dict[str, Any], pointer: str
) -> None:
    big, small = make_event(**fields), make_event(features={"image": "y" * 900_000})
    told = await post_batch(client, [big, small])
    assert [each["status"] for each in told["results"]] == [422, 201]
    (error,) = told["results"][0]["errors"]
    assert (error["pointer"], error["code"]) == (pointer, "too_big")
    assert (await post_event(client, big)).status_code == 413
    assert await stored_ids(state) == ids_of([small])


@pytest.mark.parametrize("weight", [0, 0.5, -1, "2", 1e10])
async def test_a_sampling_weight_is_one_or_more(client: httpx2.AsyncClient, weight: object) -> None:
    answer = await post_event(client, make_event(sampling_weight=weight))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/sampling_weight"


async def test_the_same_event_again_is_a_duplicate(client: httpx2.AsyncClient) -> None:
    event = make_event()
    await post_event(client, event)
    again = await post_event(client, event)
    assert (again.status_code, again.json()["code"]) == (200, "duplicate")
    assert again.json()["prediction_id"] == event["prediction_id"]


async def test_an_event_is_the_same_however_it_is_written(client: httpx2.AsyncClient) -> None:
    event = make_event(timestamp="2026-01-05T00:00:02.052Z", latency_ms=3)
    await post_event(client, event)
    other = {
        **dict(reversed(event.items())),
        "prediction_id": event["prediction_id"].upper(),
        "timestamp": "2026-01-05T01:00:02.052000+01:00",
        "features": dict(reversed(event["features"].items())),
        "latency_ms": 3.0,
        "status": "ok",
        "role": "primary",
        "user_id": None,
        "tags": {},
    }
    assert (await post_event(client, other)).json()["code"] == "duplicate"


@pytest.mark.parametrize(
    "change",
    [
        {"features": {"amount": 12.6}},
        {"output": {"label": 0, "score": 0.75}},
        {"timestamp": "2026-01-05T00:00:02.053Z"},
        {"status": "error"},
        {"tags": {"region": "us"}},
        {"latency_ms": None},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_another_event_under_the_same_id_is_a_conflict_and_overwrites_nothing(
    client: httpx2.AsyncClient, state: State, change: dict[str, Any]
) -> None:
    event = make_event()
    await post_event(client, event)
    before = await stored_events(state)
    refused = await post_event(client, {**event, **change})
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert refused.json()["errors"][0]["pointer"] == "/prediction_id"
    assert await stored_events(state) == before


async def test_of_32_clients_with_one_event_one_creates_it(
    client: httpx2.AsyncClient, state: State
) -> None:
    event = make_event()
    answers = await asyncio.gather(*(post_event(client, event) for _ in range(32)))
    codes = [answer.json()["code"] for answer in answers]
    assert sorted(codes) == ["created"] + ["duplicate"] * 31
    assert len(await stored_events(state)) == 1


async def test_of_two_clients_with_other_features_one_creates_and_the_other_conflicts(
    client: httpx2.AsyncClient, state: State
) -> None:
    for _ in range(10):
        event = make_event()
        pair = [{**event, "features": {"x": x}} for x in (1, 2)]
        answers = await asyncio.gather(*(post_event(client, each) for each in pair))
        assert sorted(answer.status_code for answer in answers) == [201, 409]
        winner = pair[0] if answers[0].status_code == 201 else pair[1]
        stored = (await client.get(f"/v1/predictions/{event['prediction_id']}")).json()
        assert stored["features"] == winner["features"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 415),
        ({"Content-Type": "text/plain"}, 415),
        ({**JSON, "Content-Encoding": "br"}, 415),
        ({**JSON, "Content-Encoding": "gzip, gzip"}, 415),
        ({**JSON, "Content-Encoding": "gzip"}, 400),  # though it is not
    ],
)
async def test_an_event_of_another_kind_is_refused(
    client: httpx2.AsyncClient, headers: dict[str, str], status: int
) -> None:
    body = json.dumps(make_event()).encode()
    answer = await client.post("/v1/predictions", content=body, headers=headers)
    assert answer.status_code == status


async def test_an_unknown_prediction_is_not_found(client: httpx2.AsyncClient) -> None:
    answer = await client.get(f"/v1/predictions/{uuid4()}")
    assert (answer.status_code, answer.json()["code"]) == (404, "prediction_not_found")
    assert (await client.get("/v1/predictions/nothing")).status_code == 422


async def _listed(client: httpx2.AsyncClient, **query: Any) -> list[str]:
    """The ids of all pages together, three a page."""
    found: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(20):
        answer = await client.get("/v1/predictions", params={**query, "limit": 3, **cursor})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += [each["prediction_id"] for each in page["items"]]
        if not page["page"]["has_more"]:
            return found
        cursor = {"cursor": page["page"]["next_cursor"]}
    pytest.fail("the pages have no end")


async def test_the_list_is_newest_first_and_pages_lose_and_repeat_no_tie(
    client: httpx2.AsyncClient,
) -> None:
    times = ["2026-01-05T00:00:01Z"] * 5 + ["2026-01-05T00:00:02Z"] * 5
    events = [make_event(timestamp=time) for time in times]
    await post_batch(client, events)
    wanted = [
        each["prediction_id"]
        for each in sorted(events, key=lambda each: (each["timestamp"], each["prediction_id"]))
    ]
    assert await _listed(client, sort="timestamp") == wanted
    assert await _listed(client) == wanted[::-1]


async def test_each_filter_finds_its_predictions_and_no_others(client: httpx2.AsyncClient) -> None:
    marked = {
        "model": "churn",
        "version": "9",
        "status": "timeout",
        "user_id": str(uuid4()),
        "order_id": str(uuid4()),
    }
    others = make_events(4)
    ones = {name: make_event(**{name: value}) for name, value in marked.items()}
    late = make_event(timestamp="2026-02-01T00:00:00Z")
    await post_batch(client, [*others, *ones.values(), late])
    for name, value in marked.items():
        assert await _listed(client, **{name: value}) == [ones[name]["prediction_id"]], name
    bound = "2026-02-01T00:00:00Z"
    assert await _listed(client, timestamp__gte=bound) == [late["prediction_id"]]
    assert len(await _listed(client, timestamp__lt=bound, model="fraud")) == 8
    counted = await client.get("/v1/predictions?model=fraud&count=exact&limit=1")
    assert counted.json()["total"] == 9
    assert 'rel="next"' in counted.headers["link"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("colour=red", 400),
        ("model[$ne]=x", 400),
        ("sort=latency_ms", 422),
        ("status=great", 422),
        ("user_id=1", 422),
        ("timestamp__gte=2026-01-05T00:00:00", 422),
        ("limit=0", 422),
        ("cursor=abc", 400),
        ("model=%00", 422),
    ],
)
async def test_a_list_refuses_what_it_does_not_know(
    client: httpx2.AsyncClient, query: str, status: int
) -> None:
    answer = await client.get(f"/v1/predictions?{query}")
    assert answer.status_code == status, answer.text


async def test_a_cursor_is_good_for_its_own_filters_only(client: httpx2.AsyncClient) -> None:
    await post_batch(client, make_events(3))
    page = (await client.get("/v1/predictions?model=fraud&limit=1")).json()["page"]
    other = await client.get(f"/v1/predictions?model=churn&cursor={page['next_cursor']}")
    assert (other.status_code, other.json()["code"]) == (400, "bad_cursor")
