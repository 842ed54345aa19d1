"""The hash that distinguishes a duplicate from a conflict."""

import gzip
import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.documents.predictions.ingest.decode import decode_event, load
from service.documents.predictions.ingest.document import TooBig, to_document
from service.documents.predictions.ingest.event import Event, PlainEvent
from service.documents.predictions.ingest.read_event import Rejected, read_event
from tests.documents.predictions.factories import make_event

RECEIVED = datetime(2030, 1, 1, tzinfo=UTC)
RECORDED = Path(__file__).parents[3] / "data" / "recorded_hashes.ndjson.gz"
keys = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**34) + 1, 10**34 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=10
)


def _document(event: dict[str, Any], **written: Any) -> dict[str, Any]:
    return _stored(decode_event(json.dumps(event, **written).encode()))


def _stored(event: Event | Rejected) -> dict[str, Any]:
    assert isinstance(event, Event), event.errors
    return to_document(event, RECEIVED)


def _reversed(value: Any) -> Any:
    """Return the same value with the keys of every object in reverse order."""
    if isinstance(value, dict):
        return {key: _reversed(value[key]) for key in reversed(value)}
    return [_reversed(item) for item in value] if isinstance(value, list) else value


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(features=st.dictionaries(keys, values, max_size=5))
def test_hash_ignores_how_an_event_was_written(features: dict[str, Any]) -> None:
    event = make_event(features=features)
    written = _document(event)
    second = _document(_reversed(event), ensure_ascii=False, indent=2)
    assert written["hash"] == second["hash"]


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(first=values, second=values)
def test_hash_differs_for_every_value(first: Any, second: Any) -> None:
    event = make_event()
    hashes = [_document({**event, "features": {"x": value}})["hash"] for value in (first, second)]
    same = json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
    assert (hashes[0] == hashes[1]) is same


def test_hash_of_recorded_events_is_the_same() -> None:
    recorded = [json.loads(line) for line in gzip.decompress(RECORDED.read_bytes()).splitlines()]
    plain = 0
    for item in recorded:
        text = item["event"].encode()
        event = decode_event(text)
        plain += isinstance(event, PlainEvent)
        hashes = {_stored(read)["hash"].hex() for read in (event, read_event(load(text)))}
        assert hashes == {item["hash"]}, text[:200]
    assert len(recorded) == 58
    assert 50 < plain < 58  # both readers are tried


def test_hash_distinguishes_null_from_numbers_that_json_lacks() -> None:
    event = make_event()
    values = [None, math.nan, math.inf, -math.inf, 2**64, 2**64 + 1, float(2**64), 0, False]
    hashes = {_document({**event, "features": {"x": value}})["hash"] for value in values}
    assert len(hashes) == len(values)


def test_hash_of_a_declared_number_is_that_of_the_number() -> None:
    event = make_event(features={"a/~b": [1, math.nan], "": {"$x.y": -math.inf}})
    event["output"] = {"label": 1, "scores": {"a": math.inf}, "score": None, "other": [None]}
    declared = json.loads(
        json.dumps(event)
        .replace("-Infinity", "null")
        .replace("Infinity", "null")
        .replace("NaN", "null")
    )
    declared["nonfinite"] = {
        "/features/a~1~0b/1": "NaN",
        "/features//$x.y": "-Infinity",
        "/output/scores/a": "Infinity",
    }
    first, second = _document(event), _document(declared)
    assert first["nonfinite"] == declared["nonfinite"]
    assert first["hash"] == second["hash"]
    assert _document({**declared, "features": event["features"]})["hash"] == first["hash"]


def test_event_of_nan_is_measured_as_it_was_sent() -> None:
    event = decode_event(json.dumps(make_event(features={"x": [math.nan] * 40_000})).encode())
    assert isinstance(event, Event)
    assert len(to_document(event, RECEIVED)["nonfinite"]) == 40_000


def test_event_larger_as_bson_than_mongodb_takes_is_too_big() -> None:
    event = msgspec.convert(make_event(features={"x": [0] * 1_400_000}), PlainEvent)
    with pytest.raises(TooBig) as refused:
        to_document(event, RECEIVED, 4_194_304)
    assert "BSON" in refused.value.errors[0]["detail"]
    to_document(
        msgspec.convert(make_event(features={"x": [0] * 1_000_000}), PlainEvent),
        RECEIVED,
        4_194_304,
    )


def test_hash_ignores_received_at() -> None:
    event = msgspec.convert(make_event(), PlainEvent)
    later = RECEIVED.replace(year=2027)
    assert to_document(event, RECEIVED)["hash"] == to_document(event, later)["hash"]


def test_times_are_stored_in_utc_and_milliseconds() -> None:
    document = _document(make_event(timestamp="2026-01-05T01:00:00.123999+01:00"))
    assert document["timestamp"] == datetime(2026, 1, 5, 0, 0, 0, 123000, tzinfo=UTC)
    assert document["timestamp"].tzinfo is UTC
