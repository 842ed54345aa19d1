"""Labels line by line: progress while it runs, and nothing lost when it breaks."""

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

KIND = "Content-Type: application/x-ndjson"


async def test_every_500_lines_are_told_as_durable_with_the_counts_so_far(
    client: httpx2.AsyncClient, state: State
) -> None:
    labels = [make_label(day=2) for _ in range(1200)]
    labels[700] = {**labels[3], "observed_at": "2026-01-03T00:00:00Z"}
    told = await stream_labels(client, labels)
    assert [(each["committed_through"], counts_of(each)) for each in told] == [
        (500, (500, 0, 0, 500, 0)),
        (1000, (999, 1, 0, 1000, 0)),
        (1200, (1199, 1, 0, 1200, 0)),
    ]
    assert len(await stored_labels(state)) == 1199


@pytest.mark.parametrize("whole", [10, 500, 733])
async def test_after_a_cut_all_is_sent_again_and_nothing_is_lost_or_doubled(
    client: httpx2.AsyncClient, state: State, whole: int
) -> None:
    labels = [make_label() for _ in range(1000)]
    body = as_lines(labels)
    cut = len(as_lines(labels[:whole])) + 30
    async with serving(state) as port:
        reader, writer = await connect(port)
        writer.write(request_head(STREAM, KIND) + chunk(body[:cut]))
        if whole >= 500:
            assert await read_head(reader) == 200
            assert json.loads(await read_chunk(reader))["committed_through"] == 500
            assert len(await stored_labels(state)) >= 500
        await writer.drain()
        writer.transport.abort()
        async with asyncio.timeout(30):  # each line that came whole counts
            while len(await stored_labels(state)) < whole:
                await asyncio.sleep(0.01)
    assert counts_of((await stream_labels(client, labels))[-1]) == (
        1000 - whole,
        0,
        whole,
        1000,
        0,
    )
    assert {each["version"] for each in (await stored_labels(state)).values()} == {1}


async def test_a_stream_may_be_packed(client: httpx2.AsyncClient) -> None:
    body = gzip.compress(as_lines([make_label() for _ in range(3)]))
    answer = await client.post(STREAM, content=body, headers={**NDJSON, **GZIP})
    assert counts_of(json.loads(answer.content)) == (3, 0, 0, 3, 0)


async def test_lines_that_are_wrong_are_named_and_blank_ones_are_counted(
    client: httpx2.AsyncClient,
) -> None:
    good = json.dumps(make_label()).encode()
    long = json.dumps(make_label(source="s" * 2_000_000)).encode()
    body = b"\n".join([b"", good, b" \t", b"no json", long, good])
    answer = await client.post(STREAM, content=body, headers=NDJSON)
    line = json.loads(answer.content)
    assert (line["committed_through"], counts_of(line)) == (6, (1, 0, 1, 2, 2))
    assert [(each["line"], each["errors"][0]["code"]) for each in line["errors"]] == [
        (4, "invalid_json"),
        (5, "line_too_long"),
    ]


@pytest.mark.parametrize("body", [b"", b"\n \n"])
async def test_a_stream_of_nothing_is_answered(client: httpx2.AsyncClient, body: bytes) -> None:
    answer = await client.post(STREAM, content=body, headers=NDJSON)
    assert counts_of(json.loads(answer.content)) == (0, 0, 0, 0, 0)


async def test_of_one_prediction_all_lines_are_kept(
    client: httpx2.AsyncClient, state: State
) -> None:
    one = make_label()
    (line,) = await stream_labels(client, [{**one, "label": each} for each in range(300)])
    assert counts_of(line) == (1, 299, 0, 300, 0)
    (document,) = (await stored_labels(state)).values()
    assert [each["label"] for each in document["history"]] == list(range(300))
    told = await post_labels(client, [{**one, "label": each} for each in range(295, 305)])
    assert counts_of(told) == (0, 5, 5, 10, 0)


async def test_a_stream_of_another_kind_is_refused(client: httpx2.AsyncClient) -> None:
    answer = await client.post(STREAM, content=as_lines([make_label()]))
    assert answer.status_code == 415
