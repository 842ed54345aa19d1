"""What is no event, and how it is told: alone, with a pointer, by each of the three intakes."""

import json
from typing import Any

import httpx2
import pytest

from service.main import State
from tests.predictions.makers import (
    JSON,
    as_lines,
    ids_of,
    make_event,
    post_batch,
    post_stream,
    stored_ids,
)


def _feature(written: bytes) -> bytes:
    """An event with a feature that json.dumps would not write."""
    return json.dumps(make_event(features={"x": "HERE"})).encode().replace(b'"HERE"', written)


def _event(**fields: Any) -> bytes:
    return json.dumps(make_event(**fields)).encode()


def _without(name: str) -> bytes:
    event = make_event()
    del event[name]
    return json.dumps(event).encode()


# What is wrong with it, the event, the status of a single POST, the pointer and the code.
WRONG: list[tuple[str, bytes, int, str, str]] = [
    ("no id", _without("prediction_id"), 422, "/prediction_id", "invalid"),
    ("an id that is no UUID", _event(prediction_id="7"), 422, "/prediction_id", "invalid"),
    ("an unknown field", _event(modle="x"), 422, "", "invalid"),
    ("an unknown field inside", _event(output={"labl": 1}), 422, "/output", "invalid"),
    ("an array", b"[]", 422, "", "invalid"),
    ("a number", b"7", 422, "", "invalid"),
    ("a naive time", _event(timestamp="2026-01-05T00:00:00"), 422, "/timestamp", "invalid"),
    ("a unix time", _event(timestamp=1767225600), 422, "/timestamp", "invalid"),
    (
        "the year 1, far east",
        _event(timestamp="0001-01-01T00:00:00+14:00"),
        422,
        "/timestamp",
        "out_of_range",
    ),
    (
        "the year 9999, far west",
        _event(timestamp="9999-12-31T23:59:59-14:00"),
        422,
        "/timestamp",
        "out_of_range",
    ),
    ("a model of no letters", _event(model=""), 422, "/model", "invalid"),
    ("a model that looks like a path", _event(model="$x"), 422, "/model", "invalid"),
    ("a newline after the model", _event(model="x\n"), 422, "/model", "invalid"),
    ("201 letters", _event(model="x" * 201), 422, "/model", "invalid"),
    ("an unknown status", _event(status="fine"), 422, "/status", "invalid"),
    ("true for a number", _event(output={"score": True}), 422, "/output/score", "invalid"),
    ("text for a number", _event(output={"score": "NaN"}), 422, "/output/score", "invalid"),
    ("a latency below 0", _event(latency_ms=-1), 422, "/latency_ms", "invalid"),
    ("features in a list", _event(features=[1]), 422, "/features", "invalid"),
    ("2,001 features", _event(features={str(n): n for n in range(2001)}), 422, "/features", "invalid"),
    ("a tag that is no text", _event(tags={"a": "b", "c/d": 1}), 422, "/tags/c~1d", "invalid"),
    ("a tag of 201 letters", _event(tags={"a": "x" * 201}), 422, "/tags/a", "invalid"),
    ("21 tags", _event(tags={str(n): "x" for n in range(21)}), 422, "/tags", "invalid"),
    (
        "a score that is no number",
        _event(output={"scores": {"a": 1, "b": "2"}}),
        422,
        "/output/scores/b",
        "invalid",
    ),
    ("20,001 scores", _event(output={"scores": [0] * 20_001}), 422, "/output/scores", "invalid"),
    ("a key with $", _event(features={"$set": 1}), 422, "/features/$set", "invalid_key"),
    ("a key with a dot", _event(features={"a.b": 1}), 422, "/features/a.b", "invalid_key"),
    ("an empty key", _event(features={"": 1}), 422, "/features/", "invalid_key"),
    ("a key with NUL", _event(features={"a\x00": 1}), 422, "/features/a\x00", "invalid_key"),
    ("a key of 201 letters", _event(features={"k" * 201: 1}), 422, f"/features/{'k' * 200}", "invalid_key"),
    ("a key deep down", _event(features={"a": [{"$b": 1}]}), 422, "/features/a/0/$b", "invalid_key"),
    ("a tag named $", _event(tags={"$": "x"}), 422, "/tags/$", "invalid_key"),
    (
        "a class with a dot",
        _event(output={"scores": {"a.b": 1}}),
        422,
        "/output/scores/a.b",
        "invalid_key",
    ),
    (
        "a class named $where",
        _event(output={"scores": {"$where": 1}}),
        422,
        "/output/scores/$where",
        "invalid_key",
    ),
    ("NUL in a feature", _event(features={"x": "a\x00"}), 422, "/features/x", "nul_character"),
    ("NUL in an error", _event(error="\x00"), 422, "/error", "nul_character"),
    ("2^63", _event(features={"x": 2**63}), 422, "/features/x", "integer_out_of_range"),
    ("2^64 in a list", _event(features={"x": [2**64]}), 422, "/features/x/0", "integer_out_of_range"),
    ("1e400", _feature(b"1e400"), 422, "/features/x", "number_out_of_range"),
    ("5,000 digits", _feature(b"9" * 5000), 422, "/features", "invalid"),
    ("half a surrogate pair", _feature(b'"\\ud83d"'), 422, "/features/x", "invalid_unicode"),
    ("100 levels", _feature(b"[" * 100 + b"]" * 100), 400, "", "too_deep"),
]
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
        for event, (_, wrong, *_rest) in zip(good, WRONG, strict=True)
        for piece in (json.dumps(event).encode(), wrong)
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
    assert codes[: len(WRONG)] == [code for *_, code in WRONG]
    assert codes[len(WRONG) :] == ["invalid_json"] * 2 + ["invalid_utf8"] * 2 + ["too_deep"]
    assert await stored_ids(state) == ids_of(good)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (_event() + b" x", "invalid_json"),
        (_feature(b"NaN"), "invalid_json"),
        (_feature(b"-Infinity"), "invalid_json"),
        (b"\xef\xbb\xbf" + _event(), "invalid_utf8"),
        (_event().decode().encode("utf-16"), "invalid_utf8"),
        (_feature(b'"\xff"'), "invalid_utf8"),
        (_feature(b"[" * 100_000 + b"]" * 100_000), "too_deep"),
    ],
)
@pytest.mark.parametrize("intake", ["single", "batch"])
async def test_a_body_that_is_not_json_is_a_bad_request(
    client: httpx2.AsyncClient, intake: str, body: bytes, code: str
) -> None:
    if intake == "single":
        answer = await client.post("/v1/predictions", content=body, headers=JSON)
    elif not body or body.endswith(b" x"):
        pytest.skip("reads otherwise inside of a batch")
    else:
        whole = b'{"items": [' + body + b"]}"
        answer = await client.post("/v1/predictions/batch", content=whole, headers=JSON)
    assert answer.status_code in (400, 207), answer.text


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
