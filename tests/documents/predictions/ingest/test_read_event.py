"""Events that are not plain: what is read, and that every fault is named at its place."""

import math
from typing import Any
from uuid import UUID

import pytest

from service.documents.predictions.ids import to_uuid
from service.documents.predictions.ingest.decode import decode_batch
from service.documents.predictions.ingest.document import to_document
from service.documents.predictions.ingest.event import Event
from service.documents.predictions.ingest.read_event import Rejected, read_event, read_in_parts
from service.stores.mongo.client import now
from tests.documents.predictions.factories import make_event


def _read(**fields: Any) -> Event:
    event = read_event(make_event(**fields))
    assert isinstance(event, Event), event.errors
    return event


def test_event_with_faults_names_each_at_its_place() -> None:
    event = make_event(
        timestamp="2026-01-05",
        model="",
        mode="m",
        features={"a": "\x00", "b": [10**40 + 1]},
        output={"score": "high"},
        latency_ms=-1,
        tags={"a": []},
        sent_at="3026-01-05T00:00:00Z",
    )
    del event["version"]
    rejected = read_event(event)
    assert isinstance(rejected, Rejected)
    assert rejected.prediction_id == UUID(event["prediction_id"])
    assert {error["pointer"] for error in rejected.errors} == {
        "/timestamp", "/model", "/mode", "/version", "/features/a", "/features/b/0",
        "/output/score", "/latency_ms", "/tags/a", "/sent_at",
    }  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [[{}] * 50_000, ["é"] * 50_000, [math.nan] * 50_000, {f"é{n}": n for n in range(50_000)}],
)
def test_event_of_many_values_is_read_in_parts(value: object) -> None:
    *parts, event = read_in_parts(make_event(features={"x": value}))
    assert isinstance(event, Event)
    assert len(parts) >= 20
    assert set(parts) == {None}


@pytest.mark.parametrize(
    ("version", "text"), [(3, "3"), (1.5, "1.5"), (True, "true"), (2**70, str(2**70)), ("v", "v")]
)
def test_version_and_tags_that_are_numbers_become_text(version: object, text: str) -> None:
    event = _read(version=version, tags={"a.b": version})
    assert (event.version, event.tags) == (text, {"a.b": text})


@pytest.mark.parametrize(
    ("label", "stored"),
    [(1.0, 1), (-0.0, 0), (1.5, 1.5), (True, True), ("1.0", "1.0"), (["a", 1.0], ["a", 1.0])],
)
def test_label_integral_float_is_the_integer(label: Any, stored: Any) -> None:
    document = to_document(_read(output={"label": label}), now())
    assert document["output"] == {"label": stored}
    assert type(document["output"]["label"]) is type(stored)


def test_output_keeps_further_fields_and_their_nulls() -> None:
    output = {"label": None, "score": 1, "scores": [1, None], "text": "x", "boxes": None}
    kept = {"score": 1.0, "scores": [1.0, None], "text": "x", "boxes": None}
    assert to_document(_read(output=output), now())["output"] == kept


def test_id_that_is_text_is_kept_beside_its_key() -> None:
    document = to_document(_read(prediction_id="order/7 ü", user_id="u-1", order_id="7"), now())
    assert document["_id"] == to_uuid("order/7 ü")
    assert document["prediction_id"] == "order/7 ü"
    assert (document["user_id"], document["order_id"]) == ("u-1", "7")


@pytest.mark.parametrize(
    "text", ["01930D6E7A0070008000000000000001", "01930d6e-7A00-7000-8000-000000000001"]
)
def test_id_that_is_a_uuid_in_any_spelling_is_that_uuid(text: str) -> None:
    document = to_document(_read(prediction_id=text, user_id=text), now())
    assert document["_id"] == document["user_id"] == UUID("01930d6e-7a00-7000-8000-000000000001")
    assert "prediction_id" not in document


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("2026-01-05T00:00Z", 0),
        ("2026-01-05 00:00:00,5+00", 500),
        ("2026-01-05T01:00:00.5+0100", 500),
        ("2026-01-04T23:59:60Z", -1),
    ],
)
def test_time_takes_the_usual_liberties(text: str, milliseconds: int) -> None:
    moment = _read(timestamp=text).timestamp.timestamp()
    assert round((moment - 1767571200) * 1000) == milliseconds


def test_batch_with_an_item_of_nan_reads_it_and_the_others() -> None:
    body = (
        b'{"items": [{"prediction_id": "a", "timestamp": "2026-01-05T00:00:00Z", "model": "m", '
        b'"version": "1", "features": {"x": NaN, "y": [-Infinity, "\\ud83d"]}}, {"x": Infinity}, '
        b'{"prediction_id": "b", "timestamp": "2026-01-05T00:00:00Z", "model": "m", '
        b'"version": "1", "features": {"x": NaN}}]}'
    )
    half, other, event = decode_batch(body)
    assert isinstance(half, Rejected)
    assert isinstance(other, Rejected)
    assert [error["pointer"] for error in half.errors] == ["/features/y/1"]
    assert isinstance(event, Event)
    assert math.isnan(event.features["x"])
    assert event.nonfinite == {"/features/x": "NaN"}
