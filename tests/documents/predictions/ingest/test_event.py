"""The hash that distinguishes a duplicate from a conflict."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.documents.predictions.ingest.event import Event, find_violation, to_document
from tests.documents.predictions.factories import make_event

RECEIVED = datetime(2030, 1, 1, tzinfo=UTC)
keys = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00.$"), min_size=1, max_size=20
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=10
)


def _document(event: dict[str, Any], **written: Any) -> dict[str, Any]:
    decoded = msgspec.json.decode(json.dumps(event, **written), type=Event)
    assert find_violation(decoded, RECEIVED, suspicious=True) is None
    return to_document(decoded, RECEIVED)


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
    assert written["features"] == features
    assert written["hash"] == second["hash"]


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(first=values, second=values)
def test_hash_differs_for_every_value(first: Any, second: Any) -> None:
    event = make_event()
    hashes = [_document({**event, "features": {"x": value}})["hash"] for value in (first, second)]
    same = json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
    assert (hashes[0] == hashes[1]) is same


def test_hash_ignores_received_at() -> None:
    event = msgspec.convert(make_event(), Event)
    later = RECEIVED.replace(year=2027)
    assert to_document(event, RECEIVED)["hash"] == to_document(event, later)["hash"]


def test_times_are_stored_in_utc_and_milliseconds() -> None:
    document = _document(make_event(timestamp="2026-01-05T01:00:00.123999+01:00"))
    assert document["timestamp"] == datetime(2026, 1, 5, 0, 0, 0, 123000, tzinfo=UTC)
    assert document["timestamp"].tzinfo is UTC
