"""Invalid events: each is rejected alone, with a pointer, by event, batch and stream."""

import json

import httpx2
import pytest

from service.main import State
from tests.documents.predictions.factories import (
    JSON,
    as_lines,
    ids_of,
    make_event,
    post_batch,
    post_stream,
    stored_ids,
)
from tests.documents.predictions.ingest.invalid_events import INVALID_EVENTS, event, feature

NAMES = [name for name, *_ in INVALID_EVENTS]


@pytest.mark.parametrize(("name", "body", "status", "pointer", "code"), INVALID_EVENTS, ids=NAMES)
async def test_event_invalid_returns_pointer_and_code(
    client: httpx2.AsyncClient,
    state: State,
    name: str,
    body: bytes,
    status: int,
    pointer: str,
    code: str,
) -> None:
    response = await client.post("/v1/predictions", content=body, headers=JSON)
    assert response.status_code == status, response.text
    if status == 422:
        (error,) = response.json()["errors"]
        assert (error["pointer"], error["code"]) == (pointer, code)
    else:
        assert response.json()["code"] == code
    assert len(response.content) < 4096
    assert await stored_ids(state) == set()


async def test_batch_with_invalid_events_stores_the_others(
    client: httpx2.AsyncClient, state: State
) -> None:
    valid = [make_event() for _ in INVALID_EVENTS]
    bodies = [
        body_part
        for item, (_, invalid, *_) in zip(valid, INVALID_EVENTS, strict=True)
        for body_part in (json.dumps(item).encode(), invalid)
    ]
    body = b'{"items": [' + b", ".join(bodies) + b"]}"
    response = await client.post("/v1/predictions/batch", content=body, headers=JSON)
    assert response.status_code == 207, response.text
    batch = response.json()
    assert (batch["created"], batch["rejected"]) == (len(INVALID_EVENTS), len(INVALID_EVENTS))
    for index, (name, _, _, pointer, code) in enumerate(INVALID_EVENTS):
        assert batch["results"][2 * index]["prediction_id"] == valid[index]["prediction_id"]
        rejected = batch["results"][2 * index + 1]
        assert (rejected["status"], rejected["code"]) == (422, "rejected"), name
        assert (rejected["errors"][0]["pointer"], rejected["errors"][0]["code"]) == (pointer, code)
    assert await stored_ids(state) == ids_of(valid)


async def test_stream_with_invalid_lines_stores_the_others(
    client: httpx2.AsyncClient, state: State
) -> None:
    valid = [make_event() for _ in INVALID_EVENTS]
    not_json = [b"{", b'{"x": NaN}', b"\xef\xbb\xbf{}", b"\xff", b"[" * 100_000]
    invalid = [item[1] for item in INVALID_EVENTS] + not_json
    lines = await post_stream(client, as_lines(valid) + b"\n".join(invalid))
    assert (lines[-1]["created"], lines[-1]["rejected"]) == (len(valid), len(invalid))
    errors = [error for line in lines for error in line["errors"]]
    assert [error["line"] for error in errors] == [len(valid) + 1 + n for n in range(len(invalid))]
    codes = [error["errors"][0]["code"] for error in errors]
    not_json_codes = ["invalid_json", "invalid", "invalid", "invalid_utf8", "too_deep"]
    assert codes == [code for *_, code in INVALID_EVENTS] + not_json_codes
    assert await stored_ids(state) == ids_of(valid)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (event() + b" x", "invalid_json"),
        (feature(b"nan"), "invalid_json"),
        (event().decode().encode("utf-16"), "invalid_utf8"),
        (feature(b'"\xff"'), "invalid_utf8"),
        (feature(b"[" * 100_000 + b"]" * 100_000), "too_deep"),
    ],
    ids=["empty", "cut", "more", "nan", "UTF-16", "bad UTF-8", "deep"],
)
async def test_event_not_json_returns_400(
    client: httpx2.AsyncClient, body: bytes, code: str
) -> None:
    response = await client.post("/v1/predictions", content=body, headers=JSON)
    assert (response.status_code, response.json()["code"]) == (400, code)


@pytest.mark.parametrize(
    "broken", [b"{", feature(b"nan"), b"{} {}", b"nul"], ids=["cut", "nan", "no comma", "word"]
)
async def test_batch_not_json_returns_400(
    client: httpx2.AsyncClient, state: State, broken: bytes
) -> None:
    body = b'{"items": [' + event() + b", " + broken + b"]}"
    response = await client.post("/v1/predictions/batch", content=body, headers=JSON)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_json")
    assert response.json()["errors"][0]["pointer"] == "/items/1"
    assert await stored_ids(state) == set()


async def test_batch_broken_behind_half_a_surrogate_returns_400(
    client: httpx2.AsyncClient,
) -> None:
    body = b'{"items": [' + feature(b'"\\ud83d"') + b", {]}"
    response = await client.post("/v1/predictions/batch", content=body, headers=JSON)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_json")


async def test_batch_nested_too_deep_returns_400(client: httpx2.AsyncClient) -> None:
    body = b'{"items": [' + b"[" * 100_000 + b"]" * 100_000 + b"]}"
    response = await client.post("/v1/predictions/batch", content=body, headers=JSON)
    assert (response.status_code, response.json()["code"]) == (400, "too_deep")


async def test_batch_in_utf_16_returns_400(client: httpx2.AsyncClient) -> None:
    body = json.dumps({"items": [make_event()]}).encode("utf-16")
    response = await client.post("/v1/predictions/batch", content=body, headers=JSON)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_utf8")


@pytest.mark.parametrize(
    "body",
    [
        b'{"items": []}',
        b'{"items": [' + b",".join([b"{}"] * 1001) + b"]}",
        b'{"items": ' + as_lines([make_event()]) + b"}",
        b'{"items": null}',
        b'{"items": [{}], "more": 1}',
        b"[]",
        b"{}",
        b"7",
    ],
    ids=["none", "1,001", "an object", "null", "another field", "a list", "nothing", "a number"],
)
async def test_batch_of_another_shape_returns_422(client: httpx2.AsyncClient, body: bytes) -> None:
    response = await client.post("/v1/predictions/batch", content=body, headers=JSON)
    assert (response.status_code, response.json()["code"]) == (422, "not_a_batch")


async def test_batch_of_1001_events_returns_422_and_1000_are_created(
    client: httpx2.AsyncClient, state: State
) -> None:
    events = [make_event() for _ in range(1001)]
    response = await client.post("/v1/predictions/batch", json={"items": events})
    assert (response.status_code, response.json()["code"]) == (422, "not_a_batch")
    assert await stored_ids(state) == set()
    assert (await post_batch(client, events[1:]))["created"] == 1000
