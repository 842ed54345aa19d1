"""Bodies of the intake: compressed, truncated, decompression bombs, and their limits."""

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

# A checksum is optional in zstd; without one, changed bits may decompress to another text.
CHECKED: dict[int, int] = {zstd.CompressionParameter.checksum_flag: 1}
COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": partial(zstd.compress, options=CHECKED),
}
MAX_BATCH_BYTES = 5_242_880  # once decompressed


async def _chunks(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


@pytest.mark.parametrize("encoding", COMPRESSORS)
async def test_batch_compressed_is_stored(
    client: httpx2.AsyncClient, state: State, encoding: str
) -> None:
    events = make_events(300)
    body = COMPRESSORS[encoding](json.dumps({"items": events}).encode())
    headers = {**JSON, "Content-Encoding": encoding}
    response = await client.post("/v1/predictions/batch", content=body, headers=headers)
    assert (response.status_code, response.json()["created"]) == (200, 300)
    assert await stored_ids(state) == ids_of(events)


@pytest.mark.parametrize("encoding", COMPRESSORS)
async def test_event_compressed_is_created(client: httpx2.AsyncClient, encoding: str) -> None:
    body = COMPRESSORS[encoding](json.dumps(make_event()).encode())
    headers = {**JSON, "Content-Encoding": encoding}
    response = await client.post("/v1/predictions", content=body, headers=headers)
    assert response.status_code == 201


@pytest.mark.parametrize("encoding", COMPRESSORS)
@pytest.mark.parametrize("size", [1, 7, 100_000])
async def test_stream_of_several_members_is_read_completely(
    client: httpx2.AsyncClient, state: State, size: int, encoding: str
) -> None:
    """`cat monday.gz tuesday.gz` is one file (RFC 1952 2.2, RFC 8878 3)."""
    first, second = make_events(3), make_events(4)
    body = b"".join(COMPRESSORS[encoding](as_lines(events)) for events in (first, second))
    headers = {**NDJSON, "Content-Encoding": encoding}
    response = await client.post(
        "/v1/predictions/stream", content=_chunks(body, size), headers=headers
    )
    assert json.loads(response.content)["created"] == 7
    assert await stored_ids(state) == ids_of(first + second)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body[:-1],
        lambda body: body[: len(body) // 2],
        lambda body: body[:5],
        lambda body: body[:0],
        lambda body: body[:40] + b"\xff\xff" + body[42:],
        lambda body: body[:-8] + bytes(8),  # checksum and length
        lambda body: body + b"garbage",
        lambda body: body + body[:-1],
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
@pytest.mark.parametrize("encoding", COMPRESSORS)
async def test_body_corrupt_or_truncated_returns_400(
    client: httpx2.AsyncClient, state: State, path: str, spoil: object, encoding: str
) -> None:
    assert callable(spoil)
    content_type = NDJSON if path.endswith("stream") else JSON
    event = make_event()
    plain = as_lines([event]) if content_type is NDJSON else json.dumps({"items": [event]}).encode()
    body = plain if spoil is zlib.decompress else spoil(COMPRESSORS[encoding](plain))
    headers = {**content_type, "Content-Encoding": encoding}
    response = await client.post(path, content=body, headers=headers)
    assert (response.status_code, response.json()["code"]) == (400, "bad_encoding")
    assert await stored_ids(state) == set()


@pytest.mark.parametrize("encoding", COMPRESSORS)
async def test_batch_decompression_bomb_returns_413_in_little_memory(
    client: httpx2.AsyncClient, encoding: str
) -> None:
    bomb = COMPRESSORS[encoding](bytes(100 * 1_048_576))
    assert len(bomb) < 110_000
    headers = {**JSON, "Content-Encoding": encoding}
    tracemalloc.start()
    try:
        response = await client.post("/v1/predictions/batch", content=bomb, headers=headers)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
    assert response.headers["connection"] == "close"
    assert peak < 3 * MAX_BATCH_BYTES


async def test_stream_decompression_bomb_is_one_line_too_long(client: httpx2.AsyncClient) -> None:
    compressor = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    bomb = compressor.compress(bytes(30_000_000)) + compressor.flush()
    tracemalloc.start()
    try:
        (line,) = await post_stream(client, bomb, **GZIP)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (line["rejected"], line["errors"][0]["errors"][0]["code"]) == (1, "line_too_long")
    assert peak < 3 * MAX_BATCH_BYTES


@pytest.mark.parametrize(("path", "max_bytes"), [("", 1_048_576), ("/batch", MAX_BATCH_BYTES)])
async def test_body_above_its_limit_returns_413(
    client: httpx2.AsyncClient, path: str, max_bytes: int
) -> None:
    event = make_event()
    plain = json.dumps(event if not path else {"items": [event]}).encode()
    for size, statuses in ((max_bytes, (200, 201)), (max_bytes + 1, (413,))):
        for content in (plain.ljust(size), _chunks(plain.ljust(size), 100_000)):
            response = await client.post(f"/v1/predictions{path}", content=content, headers=JSON)
            assert response.status_code in statuses


async def test_zstd_window_above_8_mb_returns_400(client: httpx2.AsyncClient) -> None:
    """RFC 9659 limits the window, and so the memory of the receiver, to 8 MB."""
    wide: dict[int, int] = {zstd.CompressionParameter.window_log: 27}
    headers = {**JSON, "Content-Encoding": "zstd"}
    compressor = zstd.ZstdCompressor(options=wide)
    body = compressor.compress(json.dumps(make_event()).encode()) + compressor.flush()
    response = await client.post("/v1/predictions", content=body, headers=headers)
    assert (response.status_code, response.json()["code"]) == (400, "bad_encoding")


async def test_limiter_full_returns_429_until_bytes_are_released(
    client: httpx2.AsyncClient, state: State
) -> None:
    limiter = state["intake_limiter"]
    event, body = make_event(), as_lines(make_events(3))
    limiter.acquire(limiter._max_bytes - 10)
    try:
        for path, content, content_type in (
            ("/v1/predictions", json.dumps(event).encode(), JSON),
            ("/v1/predictions/stream", body, NDJSON),
        ):
            response = await client.post(path, content=content, headers=content_type)
            assert (response.status_code, response.json()["code"]) == (429, "too_much_in_flight")
            assert response.headers["retry-after"] == "1"
    finally:
        limiter.release(limiter._max_bytes - 10)
    assert (await client.post("/v1/predictions", json=event)).status_code == 201
    assert limiter.bytes == 0
