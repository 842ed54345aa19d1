"""Events that are invalid in one way each."""

import json
from typing import Any

from tests.documents.predictions.factories import make_event


def feature(written: bytes) -> bytes:
    """Return an event with a feature that json.dumps would not write."""
    return json.dumps(make_event(features={"x": "HERE"})).encode().replace(b'"HERE"', written)


def event(**fields: Any) -> bytes:
    return json.dumps(make_event(**fields)).encode()


def without(name: str) -> bytes:
    event = make_event()
    del event[name]
    return json.dumps(event).encode()


# Name, event, status of a single POST, pointer, code.
INVALID_EVENTS: list[tuple[str, bytes, int, str, str]] = [
    ("no id", without("prediction_id"), 422, "/prediction_id", "invalid"),
    ("an empty id", event(prediction_id=""), 422, "/prediction_id", "invalid"),
    ("an id of 129 characters", event(prediction_id="i" * 129), 422, "/prediction_id", "invalid"),
    ("a number for an id", event(user_id=7), 422, "/user_id", "invalid"),
    ("NUL in an id", event(order_id="a\x00"), 422, "/order_id", "invalid"),
    ("an unknown field", event(m0del="x"), 422, "/m0del", "invalid"),
    ("an unknown field inside", event(error={"typ": "x"}), 422, "/error/typ", "invalid"),
    ("an array", b"[]", 422, "", "invalid"),
    ("a number", b"7", 422, "", "invalid"),
    ("a naive time", event(timestamp="2026-01-05T00:00:00"), 422, "/timestamp", "invalid"),
    ("a unix time", event(timestamp=1767225600), 422, "/timestamp", "invalid"),
    (
        "the year 1, far east",
        event(timestamp="0001-01-01T00:00:00+14:00"),
        422,
        "/timestamp",
        "out_of_range",
    ),
    (
        "the year 9999, far west",
        event(timestamp="9999-12-31T23:59:59-14:00"),
        422,
        "/timestamp",
        "out_of_range",
    ),
    ("an empty model", event(model=""), 422, "/model", "invalid"),
    ("a model that begins with $", event(model="$x"), 422, "/model", "invalid"),
    ("a newline after the model", event(model="x\n"), 422, "/model", "invalid"),
    ("a model of 201 characters", event(model="x" * 201), 422, "/model", "invalid"),
    ("an unknown status", event(status="fine"), 422, "/status", "invalid"),
    ("true for a number", event(output={"score": True}), 422, "/output/score", "invalid"),
    ("text for a number", event(output={"score": "NaN"}), 422, "/output/score", "invalid"),
    ("a latency below 0", event(latency_ms=-1), 422, "/latency_ms", "invalid"),
    ("features in a list", event(features=[1]), 422, "/features", "invalid"),
    ("a list as a tag", event(tags={"a": "b", "c/d": [1]}), 422, "/tags/c~1d", "invalid"),
    (
        "a score that is no number",
        event(output={"scores": {"a": 1, "b": "2"}}),
        422,
        "/output/scores/b",
        "invalid",
    ),
    ("text as output", event(output="cat"), 422, "/output", "invalid"),
    ("a number as scores", event(output={"scores": 5}), 422, "/output/scores", "invalid"),
    ("half a pair in an id", event(prediction_id="\ud800"), 422, "/prediction_id", "invalid"),
    ("half a pair in a model", event(model="\ud800"), 422, "/model", "invalid_unicode"),
    ("Infinity as latency", event(latency_ms=float("inf")), 422, "/latency_ms", "invalid"),
    (
        "NaN for a tag",
        event(tags={"x": "y"}, nonfinite={"/tags/x": "NaN"}),
        422,
        "/nonfinite/~1tags~1x",
        "invalid",
    ),
    ("NaN as latency", event(latency_ms=float("nan")), 422, "/latency_ms", "invalid"),
    ("a key with NUL", event(features={"a\x00": 1}), 422, "/features/a\x00", "nul_character"),
    (
        "a nested key with NUL",
        event(features={"a": [{"\x00b": 1}]}),
        422,
        "/features/a/0/\x00b",
        "nul_character",
    ),
    (
        "an object that BSON does not give back",
        event(features={"a": [{"$ref": "x", "$id": 1, "$db": None}]}),
        422,
        "/features/a/0/$db",
        "null_database",
    ),
    ("a tag with NUL", event(tags={"a": "\x00"}), 422, "/tags/a", "nul_character"),
    (
        "NaN for what is not null",
        event(nonfinite={"/features/amount": "NaN"}),
        422,
        "/nonfinite/~1features~1amount",
        "invalid",
    ),
    (
        "NaN in no place",
        event(nonfinite={"/features/else/0": "NaN"}),
        422,
        "/nonfinite/~1features~1else~10",
        "invalid",
    ),
    (
        "no number in nonfinite",
        event(nonfinite={"/features/age": "nan"}),
        422,
        "/nonfinite/~1features~1age",
        "invalid",
    ),
    ("NUL in a feature", event(features={"x": "a\x00"}), 422, "/features/x", "nul_character"),
    ("NUL in an error", event(error="\x00"), 422, "/error", "nul_character"),
    (
        "an integer of 35 digits",
        event(features={"x": 10**34 + 1}),
        422,
        "/features/x",
        "integer_out_of_range",
    ),
    (
        "one in a list",
        event(features={"x": [-(10**40) - 1]}),
        422,
        "/features/x/0",
        "integer_out_of_range",
    ),
    ("5,000 digits", feature(b"9" * 5000), 422, "/features/x", "integer_out_of_range"),
    ("half a surrogate pair", feature(b'"\\ud83d"'), 422, "/features/x", "invalid_unicode"),
    ("100 levels", feature(b"[" * 100 + b"]" * 100), 400, f"/features/x{'/0' * 30}", "too_deep"),
]
