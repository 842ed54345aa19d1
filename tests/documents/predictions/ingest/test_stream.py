"""The NDJSON intake: progress while it runs, and nothing lost when it breaks."""

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
KIND = "Content-Type: application/x-ndjson"


async def test_the_answer_comes_while_the_request_is_still_going_on(
    state: State, reset_stores: None
) -> None:
    events = make_events(1200)
    async with serving(state) as port:
        reader, writer = await connect(port)
        writer.write(request_head(PATH, KIND) + chunk(as_lines(events[:500])))
        assert await read_head(reader) == 200
        told = [json.loads(await read_chunk(reader))]
        writer.write(chunk(as_lines(events[500:])) + chunk(b""))
        while line := await read_chunk(reader):
            told.append(json.loads(line))
        writer.close()
    assert [(each["committed_through"], each["created"]) for each in told] == [
        (500, 500),
        (1000, 1000),
        (1200, 1200),
    ]
    assert await stored_ids(state) == ids_of(events)


@pytest.mark.parametrize("whole", [10, 500, 733])
async def test_after_a_cut_all_is_sent_again_and_nothing_is_lost_or_doubled(
    client: httpx2.AsyncClient, state: State, whole: int
) -> None:
    events = make_events(1000)
    body = as_lines(events)
    cut = len(as_lines(events[:whole])) + 30
    async with serving(state) as port:
        reader, writer = await connect(port)
        writer.write(request_head(PATH, KIND) + chunk(body[:cut]))
        if whole >= 500:
            assert await read_head(reader) == 200
            assert json.loads(await read_chunk(reader))["committed_through"] == 500
            assert ids_of(events[:500]) <= await stored_ids(state)
        await writer.drain()
        writer.transport.abort()
        async with asyncio.timeout(30):  # each line that came whole counts
            while len(await stored_ids(state)) < whole:
                await asyncio.sleep(0.01)
    last = (await post_stream(client, body))[-1]
    assert (last["created"], last["duplicates"]) == (1000 - whole, whole)
    assert (last["conflicts"], last["rejected"]) == (0, 0)
    assert await stored_ids(state) == ids_of(events)


async def test_blank_lines_count_as_lines_and_the_last_needs_no_newline(
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
async def test_a_stream_of_nothing_is_answered(client: httpx2.AsyncClient, body: bytes) -> None:
    (line,) = await post_stream(client, body)
    assert (line["created"], line["rejected"], line["errors"]) == (0, 0, [])


async def test_a_stream_tells_which_lines_are_duplicates_and_conflicts(
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


async def test_lines_may_be_cut_anywhere_between_pieces(
    client: httpx2.AsyncClient, state: State
) -> None:
    events = make_events(5, features={"text": "ü🦉\u2028"})
    body = b"".join(json.dumps(event, ensure_ascii=False).encode() + b"\n" for event in events)

    async def pieces() -> AsyncIterator[bytes]:
        for place in range(len(body)):
            yield body[place : place + 1]

    answer = await client.post(PATH, content=pieces(), headers=NDJSON)
    assert json.loads(answer.content)["created"] == 5
    assert [each["features"] for each in await stored_events(state)] == [
        event["features"] for event in events
    ]


async def test_a_line_that_is_too_long_is_refused_and_not_shortened(
    client: httpx2.AsyncClient, state: State
) -> None:
    """Dropping what is in the middle of a long text would make it another good event."""
    before, long, after = make_event(), make_event(features={"x": "x" * 2_000_000}), make_event()
    (line,) = await post_stream(client, as_lines([before, long, after]))
    assert (line["created"], line["rejected"]) == (2, 1)
    (error,) = line["errors"]
    assert (error["line"], error["errors"][0]["code"]) == (2, "line_too_long")
    assert await stored_ids(state) == ids_of([before, after])


async def test_long_lines_are_committed_in_smaller_numbers(client: httpx2.AsyncClient) -> None:
    events = make_events(7, features={"x": "x" * 1_000_000})
    told = await post_stream(client, as_lines(events))
    assert [each["committed_through"] for each in told] == [5, 7]


async def test_one_nul_makes_no_other_line_wrong(client: httpx2.AsyncClient) -> None:
    events = make_events(3)
    events[1]["features"] = {"x": "\x00"}
    (line,) = await post_stream(client, as_lines(events))
    assert (line["created"], line["rejected"]) == (2, 1)


def _failing(monkeypatch: pytest.MonkeyPatch, *, after: int) -> None:
    """MongoDB goes away after that many inserts."""
    calls = 0
    works = PredictionWriter.insert_all

    async def insert_all(log: PredictionWriter, documents: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > after:
            raise Unavailable("MongoDB is not reachable.")
        return await works(log, documents)

    monkeypatch.setattr(PredictionWriter, "insert_all", insert_all)


async def test_a_stream_that_cannot_go_on_says_where_to_go_on(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    _failing(monkeypatch, after=1)
    events = make_events(600)
    told = await post_stream(client, as_lines(events))
    assert told[0]["committed_through"] == 500
    assert (told[1]["committed_through"], told[1]["status"]) == (500, 503)
    assert told[1]["code"] == "unavailable"
    assert await stored_ids(state) == ids_of(events[:500])


async def test_a_stream_that_cannot_begin_is_refused(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    _failing(monkeypatch, after=0)
    answer = await client.post(PATH, content=as_lines(make_events(1)), headers=NDJSON)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


@pytest.mark.parametrize(
    "headers",
    [{}, {"Content-Type": "application/json"}, {**NDJSON, "Content-Encoding": "br"}],
    ids=["none", "json", "br"],
)
async def test_a_stream_of_another_kind_is_refused(
    client: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    answer = await client.post(PATH, content=as_lines(make_events(1)), headers=headers)
    assert answer.status_code == 415
