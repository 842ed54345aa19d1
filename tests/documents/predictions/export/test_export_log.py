"""The log as a file: all of it once, in the order of time, in three forms."""

import csv
import io
import json
import sys
from datetime import UTC, datetime
from typing import Any

import httpx2
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from bson import Int64, ObjectId
from fastapi import FastAPI

from service.auth.caller import Caller
from service.auth.roles import scopes_of
from service.core.errors import Unavailable
from service.documents.predictions.documents import PREDICTIONS
from service.documents.predictions.export import prediction_pages
from service.documents.predictions.export.row_formats import COLUMNS, LABEL_COLUMNS
from service.main import State
from tests.documents.predictions.factories import make_event, make_events, post_batch, sample_events
from tests.documents.predictions.mongo_profiler import profiling, scans
from tests.fixtures.client import client_as

PATH = "/v1/predictions/export"
FORMATS = ("ndjson", "csv", "parquet")
LABEL = {"label": -1, "observed_at": "2026-01-06T08:00:00.000Z", "source": "@lab"}
FULL = {
    "user_id": "01930d6e-7a00-7000-8000-00000000000a",
    "order_id": "01930d6e-7a00-7000-8000-00000000000b",
    "trace_id": "trace,1",
    "request_id": 'say "so"',
    "tags": {"site": "north\nsouth"},
    "role": "canary",
    "error": {"type": "=T", "message": "late"},
}


async def exported(client: httpx2.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    """The rows of a file, with what is JSON text in it read."""
    answer = await client.get(PATH, params=query)
    assert answer.status_code == 200, answer.text
    name = answer.headers["content-disposition"]
    kind = query.get("format", "ndjson")
    assert name.startswith('attachment; filename="predictions-')
    assert name.endswith(f'.{kind}"')
    return rows_in(answer.content, kind)


def rows_in(content: bytes, kind: str) -> list[dict[str, Any]]:
    if kind == "ndjson":
        return [json.loads(line) for line in content.splitlines()]
    if kind == "csv":
        rows = [dict(row) for row in csv.DictReader(io.StringIO(content.decode(), newline=""))]
        return [{name: _read_cell(name, row[name]) for name in row} for row in rows]
    found: list[dict[str, Any]] = pq.read_table(io.BytesIO(content)).to_pylist()
    return [{name: _read_value(name, row[name]) for name in row} for row in found]


def _read_cell(name: str, cell: str) -> Any:
    if cell == "":
        return None
    if name in ("features", "output", "error", "tags", "label"):
        return json.loads(cell)
    return float(cell) if name in ("latency_ms", "sampling_weight") else cell.removeprefix("'")


def _read_value(name: str, value: Any) -> Any:
    if value is not None and name in ("features", "output", "error", "tags", "label"):
        return json.loads(value)
    if hasattr(value, "isoformat"):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value


async def listed(client: httpx2.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    """All pages of the list, oldest first."""
    found: list[dict[str, Any]] = []
    asked = {"sort": "timestamp", "limit": 200, **query}
    while True:
        page = (await client.get("/v1/predictions", params=asked)).json()
        found += page["items"]
        if not page["page"]["has_more"]:
            return found
        asked["cursor"] = page["page"]["next_cursor"]


@pytest.mark.parametrize("kind", FORMATS)
async def test_a_file_holds_what_the_list_does_in_the_same_words(
    client: httpx2.AsyncClient, kind: str
) -> None:
    odd = {"big": 2**62, "f": 0.1, "deep": {"a": [1, None, True, "ü\u2028🦉"]}, "none": None}
    events = [
        make_event(**FULL, features=odd),
        make_event(output={}, latency_ms=None, features={}),
        make_event(error="plain", status="error"),
    ]
    assert (await post_batch(client, events))["created"] == 3
    assert await exported(client, format=kind) == await listed(client)


@pytest.mark.parametrize("kind", FORMATS)
async def test_every_event_is_there_once_and_in_order_however_the_pages_fall(
    client: httpx2.AsyncClient, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of 7 and many events of one time: pages end before, within and behind such a run."""
    monkeypatch.setitem(prediction_pages.PAGE_SIZES, kind, 7)
    times = [f"2026-01-05T00:00:{second:02}.000Z" for second in (1, 2, 3, 3, 3, 4, 5)]
    events = [make_event(timestamp=times[place % 7]) for place in range(150)]
    await post_batch(client, events)
    found = await exported(client, format=kind)
    places = [(row["timestamp"], row["prediction_id"]) for row in found]
    assert len(places) == 150
    assert places == sorted(places)
    assert set(places) == {(event["timestamp"], event["prediction_id"]) for event in events}


FILTERS: list[dict[str, Any]] = [
    {"model": "churn"},
    {"model": "churn", "version": "2"},
    {"version": "2"},
    {"status": "error"},
    {"user_id": FULL["user_id"]},
    {"order_id": FULL["order_id"]},
    {"timestamp__gte": "2026-01-05T00:00:30Z", "timestamp__lt": "2026-01-05T00:00:40Z"},
    {"model": "churn", "timestamp__gte": "2026-01-05T00:00:30Z"},
    {"model": "churn", "status": "error"},
    {"model": "nothing"},
    {},
]


@pytest.mark.parametrize("query", FILTERS, ids=str)
async def test_filters_are_those_of_the_list_and_each_page_stays_within_an_index(
    client: httpx2.AsyncClient,
    state: State,
    query: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(prediction_pages.PAGE_SIZES, "ndjson", 5)
    events = [
        make_event(
            model=("churn", "fraud")[place % 2],
            version=("1", "2", "3")[place % 3],
            status=("ok", "ok", "error")[place % 3 if place > 40 else 0],
            timestamp=f"2026-01-05T00:00:{place // 2:02}.000Z",
            **({"user_id": FULL["user_id"], "order_id": FULL["order_id"]} if place % 4 else {}),
        )
        for place in range(120)
    ]
    await post_batch(client, events)
    wanted = await listed(client, **query)
    async with profiling(state) as profile:
        found = await exported(client, **query)
    assert found == wanted
    assert len(found) == 120 if not query else len(found) < 120
    assert profile
    assert scans(profile) == []
    assert [each for each in profile if each.get("hasSortStage")] == []
    # Each page looks at its own, whatever lies before it, and at the one behind that ends it.
    residual = {"model", "status"} <= query.keys()
    most = 120 if residual else 3 * 5 + 2
    assert max(each["docsExamined"] for each in profile) <= most


async def test_a_page_looks_at_nothing_before_it_though_all_have_one_time(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(prediction_pages.PAGE_SIZES, "ndjson", 50)
    await post_batch(client, make_events(1000))
    async with profiling(state) as profile:
        assert len(await exported(client)) == 1000
    assert max(each["keysExamined"] for each in profile) <= 2 * 50 + 2
    assert len([each for each in profile if each["nreturned"]]) == 20


@pytest.mark.parametrize("kind", FORMATS)
async def test_labels_come_with_one_query_a_page(
    client: httpx2.AsyncClient, state: State, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(prediction_pages.PAGE_SIZES, kind, 20)
    events = make_events(40)
    await post_batch(client, events)
    for event in events[:3]:
        for told in ({**LABEL, "label": 0, "observed_at": "2026-01-05T09:00:00Z"}, LABEL):
            address = f"/v1/predictions/{event['prediction_id']}/feedback"
            assert (await client.put(address, json=told)).status_code == 200
    async with profiling(state) as profile:
        found = await exported(client, format=kind, labels=True)
    known = {event["prediction_id"] for event in events[:3]}
    for row in found:
        told = LABEL if row["prediction_id"] in known else dict.fromkeys(LABEL)
        assert [row[name] for name in LABEL_COLUMNS] == list(told.values())
    assert len([each for each in profile if each["ns"].endswith(".feedback")]) == 2
    assert "label" not in (await exported(client, format=kind))[0]


async def test_a_cell_is_no_formula_and_can_be_read_back(client: httpx2.AsyncClient) -> None:
    words = ["=1+1", "+1", "-1", "@x", "'=1", "\uff1d1", "'", "fine=1"]
    events = [make_event(model=word, trace_id=word) for word in words]
    events.append(make_event(error="=1+1", features={"=x": "=1"}, output={"label": "=1"}))
    assert (await post_batch(client, events))["created"] == len(events)
    answer = await client.get(PATH, params={"format": "csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    rows = list(csv.reader(io.StringIO(answer.text, newline="")))
    assert tuple(rows[0]) == COLUMNS
    cells = [cell for row in rows[1:] for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\uff1d"))]
    assert {row["model"] for row in rows_in(answer.content, "csv")} == {*words, "fraud"}


@pytest.mark.parametrize("kind", FORMATS)
async def test_nothing_is_a_file_too(client: httpx2.AsyncClient, kind: str) -> None:
    answer = await client.get(PATH, params={"format": kind})
    assert (answer.status_code, rows_in(answer.content, kind)) == (200, [])
    if kind == "csv":
        assert answer.text == ",".join(COLUMNS) + "\r\n"


async def test_a_parquet_file_has_one_schema_and_a_row_group_a_page(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(prediction_pages.PAGE_SIZES, "parquet", 2000)
    events = sample_events()
    for place in range(0, len(events), 1000):
        await post_batch(client, events[place : place + 1000])
    content = (await client.get(PATH, params={"format": "parquet"})).content
    file = pq.ParquetFile(io.BytesIO(content))
    sizes = [file.metadata.row_group(place).num_rows for place in range(file.num_row_groups)]
    assert sizes == [2000, 2000, 1072]
    empty = {"format": "parquet", "model": "nothing"}
    none = (await client.get(PATH, params=empty)).content
    assert pq.ParquetFile(io.BytesIO(none)).schema_arrow.equals(file.schema_arrow)
    assert str(file.schema_arrow.field("timestamp").type) == "timestamp[ms, tz=UTC]"


async def test_without_its_library_parquet_is_refused_with_what_to_do(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "service.documents.predictions.export.parquet", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    answer = await client.get(PATH, params={"format": "parquet"})
    assert (answer.status_code, answer.json()["code"]) == (501, "parquet_not_installed")
    assert "polystore[export]" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"format": "xlsx"}, 422),
        ({"limit": 3}, 400),
        ({"sort": "-timestamp"}, 400),
        ({"status": "great"}, 422),
        ({"timestamp__gte": "2026-01-05"}, 422),
    ],
)
async def test_what_makes_no_sense_is_refused(
    client: httpx2.AsyncClient, query: dict[str, Any], status: int
) -> None:
    assert (await client.get(PATH, params=query)).status_code == status


async def test_a_key_that_is_bound_gets_its_models_alone(
    client: httpx2.AsyncClient, app: FastAPI, state: State
) -> None:
    await post_batch(client, [make_event(model="fraud-eu"), make_event(model="churn")])
    bound = Caller(scopes=scopes_of("admin"), models=("fraud-*",))
    async with client_as(bound, app, state) as speaking:
        for query in ({}, {"model": "churn"}):
            answer = await speaking.get(PATH, params=query)
            assert (answer.status_code, answer.json()["code"]) == (403, "model_forbidden")
        (row,) = await exported(speaking, model="fraud-eu")
    assert row["model"] == "fraud-eu"


def _failing(monkeypatch: pytest.MonkeyPatch, *, after: int) -> None:
    """MongoDB goes away after that many pages."""
    works, read = prediction_pages.PredictionPages.next, 0

    async def fails(pages: prediction_pages.PredictionPages) -> Any:
        nonlocal read
        read += 1
        if read > after:
            raise Unavailable("MongoDB is not reachable.")
        return await works(pages)

    monkeypatch.setattr(prediction_pages.PredictionPages, "next", fails)


@pytest.mark.parametrize("kind", FORMATS)
async def test_a_store_that_is_down_from_the_start_is_a_refusal(
    client: httpx2.AsyncClient, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _failing(monkeypatch, after=0)
    answer = await client.get(PATH, params={"format": kind})
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


async def test_lines_end_with_why_there_are_no_more(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(prediction_pages.PAGE_SIZES, "ndjson", 5)
    _failing(monkeypatch, after=2)
    await post_batch(client, make_events(20))
    *rows, last = await exported(client)
    assert len(rows) == 10
    assert last["stopped"] == {
        "rows": 10,
        "status": 503,
        "code": "unavailable",
        "detail": "MongoDB is not reachable.",
    }


async def test_others_wrote_what_an_export_still_can_show(
    client: httpx2.AsyncClient, state: State
) -> None:
    """An old release, or a script: one odd event must not keep all behind it from a reader."""
    await post_batch(client, [make_event()])
    moment = datetime(2026, 1, 5, tzinfo=UTC)
    odd = {"n": Int64(5), "id": ObjectId("65a0000000000000000000aa"), "at": moment}
    change = {"$set": {"features": odd}, "$unset": {"received_at": 1, "role": 1}}
    await state["mongo"].database[PREDICTIONS].update_one({}, change)
    for kind in FORMATS:
        (row,) = await exported(client, format=kind)
        assert row["features"] == {
            "n": 5,
            "id": "65a0000000000000000000aa",
            "at": "2026-01-05T00:00:00Z",
        }
        assert (row["received_at"], row["role"]) == (None, None)
