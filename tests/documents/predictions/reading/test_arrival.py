"""Readers that follow the log by arrival, and the filters of the list, the export and the tail."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest

from service.documents.predictions.documents import PREDICTIONS
from service.documents.predictions.export import prediction_pages
from service.documents.predictions.reading import arrival
from service.main import State
from service.stores.mongo.client import now
from tests.documents.predictions.factories import make_event, make_events, post_batch
from tests.documents.predictions.mongo_profiler import profiling


async def _arrived(state: State, ago: timedelta) -> None:
    """Let all stored events have been received some time ago."""
    predictions = state["mongo"].database[PREDICTIONS]
    await predictions.update_many({}, {"$set": {"received_at": now() - ago}})


async def _page(client: httpx2.AsyncClient, **query: Any) -> tuple[list[str], Any, httpx2.Headers]:
    response = await client.get("/v1/predictions", params=query)
    assert response.status_code == 200, response.text
    page = response.json()
    return [item["prediction_id"] for item in page["items"]], page["page"], response.headers


async def test_list_by_arrival_ends_at_the_moment_it_names(
    client: httpx2.AsyncClient, state: State
) -> None:
    margin = timedelta(seconds=state["mongo"].deadline_seconds) + arrival.CLOCK_MARGIN
    before = now()
    ids, page, headers = await _page(client, sort="received_at")
    assert (ids, page["has_more"]) == ([], False)
    until = datetime.fromisoformat(headers["complete-until"])
    assert before - margin - timedelta(milliseconds=1) <= until <= now() - margin
    first, second = make_events(2)
    await post_batch(client, [first])
    assert (await _page(client, sort="received_at"))[0] == []  # too young to be complete
    await _arrived(state, timedelta(minutes=1))
    ids, page, _ = await _page(client, sort="received_at", cursor=page["next_cursor"])
    assert (ids, page["has_more"]) == ([first["prediction_id"]], False)
    await post_batch(client, [second])
    assert (await _page(client, sort="received_at", cursor=page["next_cursor"]))[0] == []
    assert "complete-until" not in (await _page(client))[2]


async def test_reader_by_arrival_misses_and_repeats_nothing_beside_writers(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of tests it is 18 s, so long would the reader wait for the last event.
    monkeypatch.setattr(state["mongo"], "deadline_seconds", 4.0)
    sent: list[str] = []
    done = asyncio.Event()

    async def write() -> None:
        for _ in range(8):
            events = make_events(20)
            assert (await post_batch(client, events))["created"] == 20
            sent.extend(event["prediction_id"] for event in events)

    async def read() -> list[str]:
        read_ids: list[str] = []
        cursor: dict[str, str] = {}
        while not done.is_set() or len(read_ids) < len(sent):
            ids, page, _ = await _page(client, sort="received_at", limit=7, **cursor)
            read_ids += ids
            cursor = {"cursor": page["next_cursor"]}
        return read_ids

    reader = asyncio.create_task(read())
    await asyncio.gather(*(write() for _ in range(4)))
    done.set()
    async with asyncio.timeout(30):
        read_ids = await reader
    assert sorted(read_ids) == sorted(sent)


async def test_export_by_arrival_goes_on_where_the_last_one_ended(
    client: httpx2.AsyncClient, state: State
) -> None:
    early, late = make_events(2)
    await post_batch(client, [early])
    await _arrived(state, timedelta(minutes=2))
    query: dict[str, str] = {"received_at__gte": "2026-01-01T00:00:00Z"}
    first = await client.get("/v1/predictions/export", params=query)
    await post_batch(client, [late])
    # The next event is received at the very moment at which the first export ends.
    moment = datetime.fromisoformat(first.headers["complete-until"])
    key = {"_id": UUID(late["prediction_id"])}
    predictions = state["mongo"].database[PREDICTIONS]
    await predictions.update_one(key, {"$set": {"received_at": moment}})
    query = {"received_at__gte": first.headers["complete-until"]}
    async with asyncio.timeout(30):
        while not (second := await client.get("/v1/predictions/export", params=query)).content:
            await asyncio.sleep(0.05)
    ids = [json.loads(line)["prediction_id"] for line in (first.text + second.text).splitlines()]
    assert ids == [event["prediction_id"] for event in (early, late)]


async def test_list_by_arrival_examines_only_its_page(
    client: httpx2.AsyncClient, state: State
) -> None:
    await post_batch(client, make_events(300))
    await _arrived(state, timedelta(minutes=1))
    async with profiling(state) as profile:
        await _page(client, sort="received_at", limit=10, model="fraud")
    (find,) = profile
    assert find["docsExamined"] == 11
    assert "hasSortStage" not in find


@pytest.mark.parametrize(
    ("field", "value", "query"),
    [
        ("role", "shadow", {"role": "shadow"}),
        ("trace_id", "t/1", {"trace_id": "t/1"}),
        ("request_id", "r", {"request_id": "r"}),
        ("tags", {"region": "eu"}, {"tag": "region=eu"}),
        ("tags", {"home.dest": "a=b"}, {"tag": "home.dest=a=b"}),
        ("tags", {"$x": "1"}, {"tag": "$x=1"}),
        ("tags", {"": ""}, {"tag": "="}),
    ],
)
async def test_filter_selects_in_list_and_export(
    client: httpx2.AsyncClient, field: str, value: object, query: dict[str, str]
) -> None:
    match = make_event(**{field: value})
    await post_batch(client, [*make_events(3), make_event(tags={"region": "us"}), match])
    assert (await _page(client, **query))[0] == [match["prediction_id"]]
    export = await client.get("/v1/predictions/export", params=query)
    assert [json.loads(line)["prediction_id"] for line in export.text.splitlines()] == [
        match["prediction_id"]
    ]


async def test_labels_and_labelled_join_what_was_labelled(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(prediction_pages.PAGE_SIZES, "csv", 1)
    events = make_events(5)
    await post_batch(client, events)
    labelled, withdrawn = events[3]["prediction_id"], events[1]["prediction_id"]
    for key in (labelled, withdrawn):
        label = {"label": {"a.b": 1}, "observed_at": "2026-01-06T00:00:00Z", "source": "lab"}
        await client.put(f"/v1/predictions/{key}/feedback", json=label)
    await client.delete(f"/v1/predictions/{withdrawn}/feedback")
    query = {"labels": "true", "labelled": "true"}
    (item,) = (await client.get("/v1/predictions", params=query)).json()["items"]
    assert (item["prediction_id"], item["label"], item["label_source"]) == (
        labelled, {"a.b": 1}, "lab",
    )  # fmt: skip
    exported = await client.get("/v1/predictions/export", params=query)
    assert [json.loads(line)["label"] for line in exported.text.splitlines()] == [{"a.b": 1}]
    for query in ({"labelled": "true", "format": "csv"}, {"labelled": "false", "format": "csv"}):
        rows = (await client.get("/v1/predictions/export", params=query)).text.splitlines()
        assert [row.startswith("prediction_id") for row in rows].count(True) == 1
    others: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(4):
        ids, page, _ = await _page(client, labelled="false", limit=1, **cursor)
        others += ids
        cursor = {"cursor": page["next_cursor"] or ""}
    assert page["has_more"] is False
    assert sorted([*others, labelled]) == sorted(event["prediction_id"] for event in events)
    plain = (await client.get("/v1/predictions", params={"labels": "true"})).json()["items"]
    assert sum(item["label"] is None for item in plain) == 4
    refused = await client.get("/v1/predictions", params={"labelled": "true", "count": "exact"})
    assert refused.status_code == 422
