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
    ("an id that is no UUID", event(prediction_id="7"), 422, "/prediction_id", "invalid"),
    ("an unknown field", event(m0del="x"), 422, "/m0del", "invalid"),
    ("an unknown field inside", event(output={"labl": 1}), 422, "/output/labl", "invalid"),
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
    (
        "2,001 features",
        event(features={str(n): n for n in range(2001)}),
        422,
        "/features",
        "invalid",
    ),
    ("a tag that is no text", event(tags={"a": "b", "c/d": 1}), 422, "/tags/c~1d", "invalid"),
    ("a tag of 201 characters", event(tags={"a": "x" * 201}), 422, "/tags/a", "invalid"),
    ("21 tags", event(tags={str(n): "x" for n in range(21)}), 422, "/tags", "invalid"),
    (
        "a score that is no number",
        event(output={"scores": {"a": 1, "b": "2"}}),
        422,
        "/output/scores/b",
        "invalid",
    ),
    ("5,001 scores", event(output={"scores": [0] * 5_001}), 422, "/output/scores", "invalid"),
    ("a key with $", event(features={"$set": 1}), 422, "/features/$set", "invalid_key"),
    ("a key with a dot", event(features={"a.b": 1}), 422, "/features/a.b", "invalid_key"),
    ("an empty key", event(features={"": 1}), 422, "/features/", "invalid_key"),
    ("a key with NUL", event(features={"a\x00": 1}), 422, "/features/a\x00", "invalid_key"),
    (
        "a key of 201 characters",
        event(features={"k" * 201: 1}),
        422,
        f"/features/{'k' * 200}",
        "invalid_key",
    ),
    (
        "a nested key",
        event(features={"a": [{"$b": 1}]}),
        422,
        "/features/a/0/$b",
        "invalid_key",
    ),
    ("a tag named $", event(tags={"$": "x"}), 422, "/tags/$", "invalid_key"),
    (
        "a score's name with a dot",
        event(output={"scores": {"a.b": 1}}),
        422,
        "/output/scores/a.b",
        "invalid_key",
    ),
    (
        "a score named $where",
        event(output={"scores": {"$where": 1}}),
        422,
        "/output/scores/$where",
        "invalid_key",
    ),
    ("NUL in a feature", event(features={"x": "a\x00"}), 422, "/features/x", "nul_character"),
    ("NUL in an error", event(error="\x00"), 422, "/error", "nul_character"),
    ("2^63", event(features={"x": 2**63}), 422, "/features/x", "integer_out_of_range"),
    (
        "2^64 in a list",
        event(features={"x": [2**64]}),
        422,
        "/features/x/0",
        "integer_out_of_range",
    ),
    ("1e400", feature(b"1e400"), 422, "/features/x", "number_out_of_range"),
    ("5,000 digits", feature(b"9" * 5000), 400, "", "invalid_json"),
    ("half a surrogate pair", feature(b'"\\ud83d"'), 422, "/features/x", "invalid_unicode"),
    ("100 levels", feature(b"[" * 100 + b"]" * 100), 400, "", "too_deep"),
]
