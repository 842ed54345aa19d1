"""Streams of labels: progress while they run, and no loss when they break."""

import asyncio
import gzip
import json

import httpx2
import pytest

from service.main import State
from tests.documents.predictions.factories import GZIP, NDJSON, as_lines
from tests.documents.predictions.labels.factories import (
    STREAM,
    counts_of,
    make_label,
    post_labels,
    stored_labels,
    stream_labels,
)
from tests.documents.predictions.live_server import (
    chunk,
    connect,
    read_chunk,
    read_head,
    request_head,
    serving,
)

CONTENT_TYPE = "Content-Type: application/x-ndjson"


async def test_stream_reports_every_500_lines_with_the_counts_so_far(
    client: httpx2.AsyncClient, state: State
) -> None:
    labels = [make_label(day=2) for _ in range(1200)]
    labels[700] = {**labels[3], "observed_at": "2026-01-03T00:00:00Z"}
    lines = await stream_labels(client, labels)
    assert [(line["committed_through"], counts_of(line)) for line in lines] == [
        (500, (500, 0, 0, 500, 0)),
        (1000, (999, 1, 0, 1000, 0)),
        (1200, (1199, 1, 0, 1200, 0)),
    ]
    assert len(await stored_labels(state)) == 1199


@pytest.mark.parametrize("complete", [10, 500, 733])
async def test_stream_cut_and_sent_again_loses_and_doubles_no_label(
    client: httpx2.AsyncClient, state: State, complete: int
) -> None:
    labels = [make_label() for _ in range(1000)]
    body = as_lines(labels)
    cut = len(as_lines(labels[:complete])) + 30
    async with serving(state) as port:
        reader, writer = await connect(port)
        writer.write(request_head(STREAM, CONTENT_TYPE) + chunk(body[:cut]))
        if complete >= 500:
            assert await read_head(reader) == 200
            assert json.loads(await read_chunk(reader))["committed_through"] == 500
            assert len(await stored_labels(state)) >= 500
        await writer.drain()
        writer.transport.abort()
        async with asyncio.timeout(30):  # every complete line is stored
            while len(await stored_labels(state)) < complete:
                await asyncio.sleep(0.01)
    last = (await stream_labels(client, labels))[-1]
    assert counts_of(last) == (1000 - complete, 0, complete, 1000, 0)
    assert {document["version"] for document in (await stored_labels(state)).values()} == {1}


async def test_stream_may_be_compressed(client: httpx2.AsyncClient) -> None:
    body = gzip.compress(as_lines([make_label() for _ in range(3)]))
    response = await client.post(STREAM, content=body, headers={**NDJSON, **GZIP})
    assert counts_of(json.loads(response.content)) == (3, 0, 0, 3, 0)


async def test_stream_reports_invalid_lines_and_counts_blank_ones(
    client: httpx2.AsyncClient,
) -> None:
    valid = json.dumps(make_label()).encode()
    long = json.dumps(make_label(source="s" * 2_000_000)).encode()
    body = b"\n".join([b"", valid, b" \t", b"no json", long, valid])
    response = await client.post(STREAM, content=body, headers=NDJSON)
    line = json.loads(response.content)
    assert (line["committed_through"], counts_of(line)) == (6, (1, 0, 1, 2, 2))
    assert [(error["line"], error["errors"][0]["code"]) for error in line["errors"]] == [
        (4, "invalid_json"),
        (5, "line_too_long"),
    ]


@pytest.mark.parametrize("body", [b"", b"\n \n"])
async def test_stream_empty_has_one_line_of_zeros(client: httpx2.AsyncClient, body: bytes) -> None:
    response = await client.post(STREAM, content=body, headers=NDJSON)
    assert counts_of(json.loads(response.content)) == (0, 0, 0, 0, 0)


async def test_stream_of_one_prediction_stores_all_lines(
    client: httpx2.AsyncClient, state: State
) -> None:
    one = make_label()
    (line,) = await stream_labels(client, [{**one, "label": value} for value in range(300)])
    assert counts_of(line) == (1, 299, 0, 300, 0)
    (document,) = (await stored_labels(state)).values()
    assert [item["label"] for item in document["history"]] == list(range(300))
    body = await post_labels(client, [{**one, "label": value} for value in range(295, 305)])
    assert counts_of(body) == (0, 5, 5, 10, 0)


async def test_stream_of_another_content_type_is_rejected(client: httpx2.AsyncClient) -> None:
    response = await client.post(STREAM, content=as_lines([make_label()]))
    assert response.status_code == 415
