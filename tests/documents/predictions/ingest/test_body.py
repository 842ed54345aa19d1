"""Bodies of the intake: gzip, whole and cut, small and much larger than they look."""

import gzip
import json
import sys
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from functools import partial

import httpx2
import pytest

from service.main import State
from tests.documents.predictions.factories import (
    GZIP,
    JSON,
    NDJSON,
    as_lines,
    ids_of,
    make_event,
    make_events,
    post_stream,
    stored_ids,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# Without a checksum, which zstd leaves to the sender, changed bits may be another text.
CHECKED: dict[int, int] = {zstd.CompressionParameter.checksum_flag: 1}
PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": partial(zstd.compress, options=CHECKED),
}
MOST = 5_242_880  # what a batch may unpack to


async def _pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


@pytest.mark.parametrize("packing", PACKINGS)
async def test_a_packed_batch_is_unpacked(
    client: httpx2.AsyncClient, state: State, packing: str
) -> None:
    events = make_events(300)
    body = PACKINGS[packing](json.dumps({"items": events}).encode())
    headers = {**JSON, "Content-Encoding": packing}
    answer = await client.post("/v1/predictions/batch", content=body, headers=headers)
    assert (answer.status_code, answer.json()["created"]) == (200, 300)
    assert await stored_ids(state) == ids_of(events)


@pytest.mark.parametrize("packing", PACKINGS)
async def test_a_packed_event_is_unpacked(client: httpx2.AsyncClient, packing: str) -> None:
    body = PACKINGS[packing](json.dumps(make_event()).encode())
    headers = {**JSON, "Content-Encoding": packing}
    answer = await client.post("/v1/predictions", content=body, headers=headers)
    assert answer.status_code == 201


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("size", [1, 7, 100_000])
async def test_several_members_are_read_to_the_end(
    client: httpx2.AsyncClient, state: State, size: int, packing: str
) -> None:
    """`cat monday.gz tuesday.gz` is one file (RFC 1952 2.2, RFC 8878 3)."""
    first, second = make_events(3), make_events(4)
    body = b"".join(PACKINGS[packing](as_lines(each)) for each in (first, second))
    headers = {**NDJSON, "Content-Encoding": packing}
    answer = await client.post(
        "/v1/predictions/stream", content=_pieces(body, size), headers=headers
    )
    assert json.loads(answer.content)["created"] == 7
    assert await stored_ids(state) == ids_of(first + second)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda packed: packed[:-1],
        lambda packed: packed[: len(packed) // 2],
        lambda packed: packed[:5],
        lambda packed: packed[:0],
        lambda packed: packed[:40] + b"\xff\xff" + packed[42:],
        lambda packed: packed[:-8] + bytes(8),  # checksum and length
        lambda packed: packed + b"garbage",
        lambda packed: packed + packed[:-1],
        zlib.decompress,
    ],
    ids=[
        "last-byte",
        "half",
        "head",
        "empty",
        "bits",
        "checksum",
        "garbage",
        "second-member",
        "plain",
    ],
)
@pytest.mark.parametrize("path", ["/v1/predictions/batch", "/v1/predictions/stream"])
@pytest.mark.parametrize("packing", PACKINGS)
async def test_a_body_that_is_broken_or_cut_short_is_a_bad_request(
    client: httpx2.AsyncClient, state: State, path: str, spoil: object, packing: str
) -> None:
    assert callable(spoil)
    kind = NDJSON if path.endswith("stream") else JSON
    event = make_event()
    plain = as_lines([event]) if kind is NDJSON else json.dumps({"items": [event]}).encode()
    body = plain if spoil is zlib.decompress else spoil(PACKINGS[packing](plain))
    headers = {**kind, "Content-Encoding": packing}
    answer = await client.post(path, content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_encoding")
    assert await stored_ids(state) == set()


@pytest.mark.parametrize("packing", PACKINGS)
async def test_a_bomb_is_refused_before_it_takes_memory(
    client: httpx2.AsyncClient, packing: str
) -> None:
    bomb = PACKINGS[packing](bytes(100 * 1_048_576))
    assert len(bomb) < 110_000
    headers = {**JSON, "Content-Encoding": packing}
    tracemalloc.start()
    try:
        answer = await client.post("/v1/predictions/batch", content=bomb, headers=headers)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert answer.headers["connection"] == "close"
    assert peak < 3 * MOST


async def test_a_bomb_in_a_stream_is_one_line_that_is_too_long(client: httpx2.AsyncClient) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    bomb = packer.compress(bytes(30_000_000)) + packer.flush()
    tracemalloc.start()
    try:
        (line,) = await post_stream(client, bomb, **GZIP)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (line["rejected"], line["errors"][0]["errors"][0]["code"]) == (1, "line_too_long")
    assert peak < 3 * MOST


@pytest.mark.parametrize(("path", "most"), [("", 1_048_576), ("/batch", MOST)])
async def test_a_body_may_be_as_large_as_its_limit_and_no_larger(
    client: httpx2.AsyncClient, path: str, most: int
) -> None:
    event = make_event()
    plain = json.dumps(event if not path else {"items": [event]}).encode()
    for size, statuses in ((most, (200, 201)), (most + 1, (413,))):
        for content in (plain.ljust(size), _pieces(plain.ljust(size), 100_000)):
            answer = await client.post(f"/v1/predictions{path}", content=content, headers=JSON)
            assert answer.status_code in statuses


async def test_a_window_larger_than_http_allows_is_refused(client: httpx2.AsyncClient) -> None:
    """RFC 9659: nobody is made to keep more than 8 MB of what was before."""
    wide: dict[int, int] = {zstd.CompressionParameter.window_log: 27}
    headers = {**JSON, "Content-Encoding": "zstd"}
    head = zstd.ZstdCompressor(options=wide)
    body = head.compress(json.dumps(make_event()).encode()) + head.flush()
    answer = await client.post("/v1/predictions", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_encoding")


async def test_more_in_flight_than_there_is_room_for_is_told_to_come_again(
    client: httpx2.AsyncClient, state: State
) -> None:
    intake_limiter = state["intake_limiter"]
    event, body = make_event(), as_lines(make_events(3))
    intake_limiter.acquire(intake_limiter._max_bytes - 10)
    try:
        for path, content, kind in (
            ("/v1/predictions", json.dumps(event).encode(), JSON),
            ("/v1/predictions/stream", body, NDJSON),
        ):
            answer = await client.post(path, content=content, headers=kind)
            assert (answer.status_code, answer.json()["code"]) == (429, "too_much_in_flight")
            assert answer.headers["retry-after"] == "1"
    finally:
        intake_limiter.release(intake_limiter._max_bytes - 10)
    assert (await client.post("/v1/predictions", json=event)).status_code == 201
    assert intake_limiter.bytes == 0
