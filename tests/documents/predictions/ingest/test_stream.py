"""The NDJSON stream: acknowledged while it runs, and resumable when it breaks."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from service.core.errors import Unavailable
from service.documents.predictions.ingest.writer import PredictionWriter
from service.main import State
from tests.documents.predictions.factories import (
    NDJSON,
    as_lines,
    ids_of,
    make_event,
    make_events,
    post_batch,
    post_stream,
    stored_events,
    stored_ids,
)
from tests.documents.predictions.live_server import (
    chunk,
    connect,
    read_chunk,
    read_head,
    request_head,
    serving,
)

PATH = "/v1/predictions/stream"
CONTENT_TYPE = "Content-Type: application/x-ndjson"


async def test_stream_is_acknowledged_while_the_request_continues(
    state: State, reset_stores: None
) -> None:
    events = make_events(1200)
    async with serving(state) as port:
        reader, writer = await connect(port)
        writer.write(request_head(PATH, CONTENT_TYPE) + chunk(as_lines(events[:500])))
        assert await read_head(reader) == 200
        lines = [json.loads(await read_chunk(reader))]
        writer.write(chunk(as_lines(events[500:])) + chunk(b""))
        while line := await read_chunk(reader):
            lines.append(json.loads(line))
        writer.close()
    assert [(item["committed_through"], item["created"]) for item in lines] == [
        (500, 500),
        (1000, 1000),
        (1200, 1200),
    ]
    assert await stored_ids(state) == ids_of(events)


@pytest.mark.parametrize("complete", [10, 500, 733])
async def test_stream_resent_after_a_cut_loses_and_doubles_nothing(
    client: httpx2.AsyncClient, state: State, complete: int
) -> None:
    events = make_events(1000)
    body = as_lines(events)
    cut = len(as_lines(events[:complete])) + 30
    async with serving(state) as port:
        reader, writer = await connect(port)
        writer.write(request_head(PATH, CONTENT_TYPE) + chunk(body[:cut]))
        if complete >= 500:
            assert await read_head(reader) == 200
            assert json.loads(await read_chunk(reader))["committed_through"] == 500
            assert ids_of(events[:500]) <= await stored_ids(state)
        await writer.drain()
        writer.transport.abort()
        async with asyncio.timeout(30):  # every complete line is written
            while len(await stored_ids(state)) < complete:
                await asyncio.sleep(0.01)
    last = (await post_stream(client, body))[-1]
    assert (last["created"], last["duplicates"]) == (1000 - complete, complete)
    assert (last["conflicts"], last["rejected"]) == (0, 0)
    assert await stored_ids(state) == ids_of(events)


async def test_stream_blank_lines_count_and_last_needs_no_newline(
    client: httpx2.AsyncClient, state: State
) -> None:
    events = make_events(3)
    first, second, third = (json.dumps(event).encode() for event in events)
    body = b"\n\n" + first + b"\r\n \t\n" + second + b"\nnot json\n" + third
    (line,) = await post_stream(client, body)
    assert (line["committed_through"], line["created"], line["rejected"]) == (7, 3, 1)
    assert [error["line"] for error in line["errors"]] == [6]
    assert await stored_ids(state) == ids_of(events)


@pytest.mark.parametrize("body", [b"", b"\n", b"\n\n  \n"])
async def test_stream_empty_returns_one_line(client: httpx2.AsyncClient, body: bytes) -> None:
    (line,) = await post_stream(client, body)
    assert (line["created"], line["rejected"], line["errors"]) == (0, 0, [])


async def test_stream_counts_duplicates_and_names_conflicts(
    client: httpx2.AsyncClient, state: State
) -> None:
    known = make_event()
    await post_batch(client, [known])
    before = await stored_events(state)
    altered = {**known, "model": "other"}
    (line,) = await post_stream(client, as_lines([known, altered]))
    assert (line["duplicates"], line["conflicts"]) == (1, 1)
    assert [(error["line"], error["code"]) for error in line["errors"]] == [(2, "conflict")]
    assert await stored_events(state) == before


async def test_stream_lines_split_between_chunks_are_read(
    client: httpx2.AsyncClient, state: State
) -> None:
    events = make_events(5, features={"text": "ü🦉\u2028"})
    body = b"".join(json.dumps(event, ensure_ascii=False).encode() + b"\n" for event in events)

    async def chunks() -> AsyncIterator[bytes]:
        for index in range(len(body)):
            yield body[index : index + 1]

    response = await client.post(PATH, content=chunks(), headers=NDJSON)
    assert json.loads(response.content)["created"] == 5
    assert [item["features"] for item in await stored_events(state)] == [
        event["features"] for event in events
    ]


async def test_stream_line_too_long_is_rejected_and_not_cut(
    client: httpx2.AsyncClient, state: State
) -> None:
    """Cutting a long text in the middle would make it another valid event."""
    before, long, after = make_event(), make_event(features={"x": "x" * 2_000_000}), make_event()
    (line,) = await post_stream(client, as_lines([before, long, after]))
    assert (line["created"], line["rejected"]) == (2, 1)
    (error,) = line["errors"]
    assert (error["line"], error["errors"][0]["code"]) == (2, "line_too_long")
    assert await stored_ids(state) == ids_of([before, after])


async def test_stream_long_lines_are_committed_in_smaller_chunks(
    client: httpx2.AsyncClient,
) -> None:
    events = make_events(7, features={"x": "x" * 1_000_000})
    lines = await post_stream(client, as_lines(events))
    assert [item["committed_through"] for item in lines] == [5, 7]


async def test_stream_one_nul_rejects_its_line_only(client: httpx2.AsyncClient) -> None:
    events = make_events(3)
    events[1]["features"] = {"x": "\x00"}
    (line,) = await post_stream(client, as_lines(events))
    assert (line["created"], line["rejected"]) == (2, 1)


def _failing(monkeypatch: pytest.MonkeyPatch, *, after: int) -> None:
    """Make MongoDB fail after ``after`` inserts."""
    calls = 0
    insert = PredictionWriter.insert_all

    async def insert_all(writer: PredictionWriter, documents: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > after:
            raise Unavailable("MongoDB is not reachable.")
        return await insert(writer, documents)

    monkeypatch.setattr(PredictionWriter, "insert_all", insert_all)


async def test_stream_store_failure_reports_where_to_continue(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    _failing(monkeypatch, after=1)
    events = make_events(600)
    lines = await post_stream(client, as_lines(events))
    assert lines[0]["committed_through"] == 500
    assert (lines[1]["committed_through"], lines[1]["status"]) == (500, 503)
    assert lines[1]["code"] == "unavailable"
    assert await stored_ids(state) == ids_of(events[:500])


async def test_stream_store_down_at_start_returns_503(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    _failing(monkeypatch, after=0)
    response = await client.post(PATH, content=as_lines(make_events(1)), headers=NDJSON)
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")


@pytest.mark.parametrize(
    "headers",
    [{}, {"Content-Type": "application/json"}, {**NDJSON, "Content-Encoding": "br"}],
    ids=["none", "json", "br"],
)
async def test_stream_of_another_content_type_returns_415(
    client: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    response = await client.post(PATH, content=as_lines(make_events(1)), headers=headers)
    assert response.status_code == 415
