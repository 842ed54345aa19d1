"""What is no event, and how it is told: alone, with a pointer, by each of the three intakes."""

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
from tests.documents.predictions.ingest.wrong_events import WRONG, event, feature

WRONG_IDS = [what for what, *_ in WRONG]


@pytest.mark.parametrize(("what", "body", "status", "pointer", "code"), WRONG, ids=WRONG_IDS)
async def test_a_wrong_event_is_refused_with_a_pointer(
    client: httpx2.AsyncClient,
    state: State,
    what: str,
    body: bytes,
    status: int,
    pointer: str,
    code: str,
) -> None:
    answer = await client.post("/v1/predictions", content=body, headers=JSON)
    assert answer.status_code == status, answer.text
    if status == 422:
        (error,) = answer.json()["errors"]
        assert (error["pointer"], error["code"]) == (pointer, code)
    else:
        assert answer.json()["code"] == code
    assert len(answer.content) < 4096
    assert await stored_ids(state) == set()


async def test_a_wrong_event_takes_nothing_of_its_batch_with_it(
    client: httpx2.AsyncClient, state: State
) -> None:
    good = [make_event() for _ in WRONG]
    bodies = [
        piece
        for each, (_, wrong, *_rest) in zip(good, WRONG, strict=True)
        for piece in (json.dumps(each).encode(), wrong)
    ]
    body = b'{"items": [' + b", ".join(bodies) + b"]}"
    answer = await client.post("/v1/predictions/batch", content=body, headers=JSON)
    assert answer.status_code == 207, answer.text
    told = answer.json()
    assert (told["created"], told["rejected"]) == (len(WRONG), len(WRONG))
    for place, (what, _, _, pointer, code) in enumerate(WRONG):
        assert told["results"][2 * place]["prediction_id"] == good[place]["prediction_id"]
        rejected = told["results"][2 * place + 1]
        assert (rejected["status"], rejected["code"]) == (422, "rejected"), what
        assert (rejected["errors"][0]["pointer"], rejected["errors"][0]["code"]) == (pointer, code)
    assert await stored_ids(state) == ids_of(good)


async def test_a_wrong_line_takes_nothing_of_its_stream_with_it(
    client: httpx2.AsyncClient, state: State
) -> None:
    good = [make_event() for _ in WRONG]
    cannot_stand_in_a_batch = [b"{", b'{"x": NaN}', b"\xef\xbb\xbf{}", b"\xff", b"[" * 100_000]
    wrong = [each[1] for each in WRONG] + cannot_stand_in_a_batch
    lines = await post_stream(client, as_lines(good) + b"\n".join(wrong))
    assert (lines[-1]["created"], lines[-1]["rejected"]) == (len(good), len(wrong))
    errors = [error for line in lines for error in line["errors"]]
    assert [error["line"] for error in errors] == [len(good) + 1 + n for n in range(len(wrong))]
    codes = [error["errors"][0]["code"] for error in errors]
    not_json = ["invalid_json"] * 2 + ["invalid_utf8"] * 2 + ["too_deep"]
    assert codes == [code for *_, code in WRONG] + not_json
    assert await stored_ids(state) == ids_of(good)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (event() + b" x", "invalid_json"),
        (feature(b"NaN"), "invalid_json"),
        (feature(b"-Infinity"), "invalid_json"),
        (b"\xef\xbb\xbf" + event(), "invalid_utf8"),
        (event().decode().encode("utf-16"), "invalid_utf8"),
        (feature(b'"\xff"'), "invalid_utf8"),
        (feature(b"[" * 100_000 + b"]" * 100_000), "too_deep"),
    ],
    ids=["empty", "cut", "more", "NaN", "-Infinity", "BOM", "UTF-16", "bad UTF-8", "deep"],
)
async def test_an_event_that_is_not_json_is_a_bad_request(
    client: httpx2.AsyncClient, body: bytes, code: str
) -> None:
    answer = await client.post("/v1/predictions", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


@pytest.mark.parametrize(
    "broken", [b"{", feature(b"NaN"), b"{} {}", b"nul"], ids=["cut", "NaN", "no comma", "word"]
)
async def test_a_batch_in_which_events_cannot_be_told_apart_is_a_bad_request(
    client: httpx2.AsyncClient, state: State, broken: bytes
) -> None:
    body = b'{"items": [' + event() + b", " + broken + b"]}"
    answer = await client.post("/v1/predictions/batch", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_json")
    assert await stored_ids(state) == set()


async def test_a_batch_nested_without_end_is_a_bad_request(client: httpx2.AsyncClient) -> None:
    body = b'{"items": [' + b"[" * 100_000 + b"]" * 100_000 + b"]}"
    answer = await client.post("/v1/predictions/batch", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "too_deep")


async def test_a_batch_in_utf_16_is_not_taken_for_json(client: httpx2.AsyncClient) -> None:
    body = json.dumps({"items": [make_event()]}).encode("utf-16")
    answer = await client.post("/v1/predictions/batch", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_json")


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
async def test_what_is_no_batch_is_refused_as_a_whole(
    client: httpx2.AsyncClient, body: bytes
) -> None:
    answer = await client.post("/v1/predictions/batch", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (422, "not_a_batch")


async def test_1001_good_events_are_one_too_many_and_1000_are_not(
    client: httpx2.AsyncClient, state: State
) -> None:
    events = [make_event() for _ in range(1001)]
    answer = await client.post("/v1/predictions/batch", json={"items": events})
    assert (answer.status_code, answer.json()["code"]) == (422, "not_a_batch")
    assert await stored_ids(state) == set()
    assert (await post_batch(client, events[1:]))["created"] == 1000
