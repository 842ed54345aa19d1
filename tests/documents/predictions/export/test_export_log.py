"""The log as a file: each event once, in the order of time, in three formats."""

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
from service.documents.predictions.export.row_formats import COLUMNS
from service.documents.predictions.reading.labels import LABEL_COLUMNS
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
    """Return the rows of an export, with JSON text parsed."""
    response = await client.get(PATH, params=query)
    assert response.status_code == 200, response.text
    name = response.headers["content-disposition"]
    file_format = query.get("format", "ndjson")
    assert name.startswith('attachment; filename="predictions-')
    assert name.endswith(f'.{file_format}"')
    return rows_in(response.content, file_format)


def rows_in(content: bytes, file_format: str) -> list[dict[str, Any]]:
    if file_format == "ndjson":
        return [json.loads(line) for line in content.splitlines()]
    if file_format == "csv":
        rows = [dict(row) for row in csv.DictReader(io.StringIO(content.decode(), newline=""))]
        return [{name: _read_cell(name, row[name]) for name in row} for row in rows]
    table: list[dict[str, Any]] = pq.read_table(io.BytesIO(content)).to_pylist()
    return [{name: _read_value(name, row[name]) for name in row} for row in table]


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
    """Return the items of all pages of the list, oldest first."""
    rows: list[dict[str, Any]] = []
    params = {"sort": "timestamp", "limit": 200, **query}
    while True:
        page = (await client.get("/v1/predictions", params=params)).json()
        rows += page["items"]
        if not page["page"]["has_more"]:
            return rows
        params["cursor"] = page["page"]["next_cursor"]


@pytest.mark.parametrize("file_format", FORMATS)
async def test_export_rows_equal_the_list(client: httpx2.AsyncClient, file_format: str) -> None:
    odd = {"big": 2**62, "f": 0.1, "deep": {"a": [1, None, True, "ü\u2028🦉"]}, "none": None}
    events = [
        make_event(**FULL, features=odd),
        make_event(output={}, latency_ms=None, features={}),
        make_event(error="plain", status="error"),
    ]
    assert (await post_batch(client, events))["created"] == 3
    assert await exported(client, format=file_format) == await listed(client)


@pytest.mark.parametrize("file_format", FORMATS)
async def test_export_contains_each_event_once_in_order(
    client: httpx2.AsyncClient, file_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of 7 end before, within and after runs of events with one timestamp."""
    monkeypatch.setitem(prediction_pages.PAGE_SIZES, file_format, 7)
    times = [f"2026-01-05T00:00:{second:02}.000Z" for second in (1, 2, 3, 3, 3, 4, 5)]
    events = [make_event(timestamp=times[index % 7]) for index in range(150)]
    await post_batch(client, events)
    rows = await exported(client, format=file_format)
    places = [(row["timestamp"], row["prediction_id"]) for row in rows]
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
async def test_export_filters_equal_the_list_filters_and_use_an_index(
    client: httpx2.AsyncClient,
    state: State,
    query: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(prediction_pages.PAGE_SIZES, "ndjson", 5)
    events = [
        make_event(
            model=("churn", "fraud")[index % 2],
            version=("1", "2", "3")[index % 3],
            status=("ok", "ok", "error")[index % 3 if index > 40 else 0],
            timestamp=f"2026-01-05T00:00:{index // 2:02}.000Z",
            **({"user_id": FULL["user_id"], "order_id": FULL["order_id"]} if index % 4 else {}),
        )
        for index in range(120)
    ]
    await post_batch(client, events)
    expected = await listed(client, **query)
    async with profiling(state) as profile:
        rows = await exported(client, **query)
    assert rows == expected
    assert len(rows) == 120 if not query else len(rows) < 120
    assert profile
    assert scans(profile) == []
    assert [item for item in profile if item.get("hasSortStage")] == []
    # A page examines its own events and the next one, however many precede it.
    residual = {"model", "status"} <= query.keys()
    most = 120 if residual else 3 * 5 + 2
    assert max(item["docsExamined"] for item in profile) <= most


async def test_export_page_with_tied_times_examines_only_itself(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(prediction_pages.PAGE_SIZES, "ndjson", 50)
    await post_batch(client, make_events(1000))
    async with profiling(state) as profile:
        assert len(await exported(client)) == 1000
    assert max(item["keysExamined"] for item in profile) <= 2 * 50 + 2
    assert len([item for item in profile if item["nreturned"]]) == 20


@pytest.mark.parametrize("file_format", FORMATS)
async def test_export_labels_take_one_query_per_page(
    client: httpx2.AsyncClient, state: State, file_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(prediction_pages.PAGE_SIZES, file_format, 20)
    events = make_events(40)
    await post_batch(client, events)
    for event in events[:3]:
        for label in ({**LABEL, "label": 0, "observed_at": "2026-01-05T09:00:00Z"}, LABEL):
            address = f"/v1/predictions/{event['prediction_id']}/feedback"
            assert (await client.put(address, json=label)).status_code == 200
    async with profiling(state) as profile:
        rows = await exported(client, format=file_format, labels=True)
    known = {event["prediction_id"] for event in events[:3]}
    for row in rows:
        label = LABEL if row["prediction_id"] in known else dict.fromkeys(LABEL)
        assert [row[name] for name in LABEL_COLUMNS] == list(label.values())
    assert len([item for item in profile if item["ns"].endswith(".feedback")]) == 2
    assert "label" not in (await exported(client, format=file_format))[0]


async def test_export_csv_escapes_formulas_reversibly(client: httpx2.AsyncClient) -> None:
    words = ["=1+1", "+1", "-1", "@x", "'=1", "\uff1d1", "'", "fine=1"]
    events = [make_event(model=word, trace_id=word) for word in words]
    events.append(make_event(error="=1+1", features={"=x": "=1"}, output={"label": "=1"}))
    assert (await post_batch(client, events))["created"] == len(events)
    response = await client.get(PATH, params={"format": "csv"})
    assert response.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    rows = list(csv.reader(io.StringIO(response.text, newline="")))
    assert tuple(rows[0]) == COLUMNS
    cells = [cell for row in rows[1:] for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\uff1d"))]
    assert {row["model"] for row in rows_in(response.content, "csv")} == {*words, "fraud"}


@pytest.mark.parametrize("file_format", FORMATS)
async def test_export_of_nothing_is_a_valid_file(
    client: httpx2.AsyncClient, file_format: str
) -> None:
    response = await client.get(PATH, params={"format": file_format})
    assert (response.status_code, rows_in(response.content, file_format)) == (200, [])
    if file_format == "csv":
        assert response.text == ",".join(COLUMNS) + "\r\n"


async def test_export_parquet_has_one_schema_and_a_row_group_per_page(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(prediction_pages.PAGE_SIZES, "parquet", 2000)
    events = sample_events()
    for index in range(0, len(events), 1000):
        await post_batch(client, events[index : index + 1000])
    content = (await client.get(PATH, params={"format": "parquet"})).content
    file = pq.ParquetFile(io.BytesIO(content))
    sizes = [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)]
    assert sizes == [2000, 2000, 1072]
    empty = {"format": "parquet", "model": "nothing"}
    none = (await client.get(PATH, params=empty)).content
    assert pq.ParquetFile(io.BytesIO(none)).schema_arrow.equals(file.schema_arrow)
    assert str(file.schema_arrow.field("timestamp").type) == "timestamp[ms, tz=UTC]"


async def test_export_parquet_without_pyarrow_returns_501(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "service.documents.predictions.export.parquet", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    response = await client.get(PATH, params={"format": "parquet"})
    assert (response.status_code, response.json()["code"]) == (501, "parquet_not_installed")
    assert "polystore[export]" in response.json()["detail"]


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
async def test_export_invalid_query_returns_an_error(
    client: httpx2.AsyncClient, query: dict[str, Any], status: int
) -> None:
    assert (await client.get(PATH, params=query)).status_code == status


async def test_export_bound_key_gets_its_models_only(
    client: httpx2.AsyncClient, app: FastAPI, state: State
) -> None:
    await post_batch(client, [make_event(model="fraud-eu"), make_event(model="churn")])
    bound = Caller(scopes=scopes_of("admin"), models=("fraud-*",))
    async with client_as(bound, app, state) as bound_client:
        for query in ({}, {"model": "churn"}):
            response = await bound_client.get(PATH, params=query)
            assert (response.status_code, response.json()["code"]) == (403, "model_forbidden")
        (row,) = await exported(bound_client, model="fraud-eu")
    assert row["model"] == "fraud-eu"


def _failing(monkeypatch: pytest.MonkeyPatch, *, after: int) -> None:
    """Make MongoDB fail after ``after`` pages."""
    original, read = prediction_pages.PredictionPages.next, 0

    async def failing_next(pages: prediction_pages.PredictionPages) -> Any:
        nonlocal read
        read += 1
        if read > after:
            raise Unavailable("MongoDB is not reachable.")
        return await original(pages)

    monkeypatch.setattr(prediction_pages.PredictionPages, "next", failing_next)


@pytest.mark.parametrize("file_format", FORMATS)
async def test_export_store_down_at_start_returns_503(
    client: httpx2.AsyncClient, file_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _failing(monkeypatch, after=0)
    response = await client.get(PATH, params={"format": file_format})
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")


async def test_export_ndjson_interrupted_ends_with_the_reason(
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


async def test_export_of_unexpected_stored_types_is_readable(
    client: httpx2.AsyncClient, state: State
) -> None:
    """An event of an old release or a script must not end the export."""
    await post_batch(client, [make_event()])
    moment = datetime(2026, 1, 5, tzinfo=UTC)
    odd = {"n": Int64(5), "id": ObjectId("65a0000000000000000000aa"), "at": moment}
    change = {"$set": {"features": odd}, "$unset": {"received_at": 1, "role": 1}}
    await state["mongo"].database[PREDICTIONS].update_one({}, change)
    for file_format in FORMATS:
        (row,) = await exported(client, format=file_format)
        assert row["features"] == {
            "n": 5,
            "id": "65a0000000000000000000aa",
            "at": "2026-01-05T00:00:00Z",
        }
        assert (row["received_at"], row["role"]) == (None, None)
