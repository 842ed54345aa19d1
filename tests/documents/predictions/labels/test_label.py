"""Labels as they are decoded: their types, their errors, and bodies that are no batch."""

import gzip
import json
import math
from typing import Any
from uuid import UUID

import httpx2
import pytest

from service.documents.predictions.ids import to_uuid
from service.main import State
from tests.documents.predictions.factories import GZIP, JSON, make_event, post_event
from tests.documents.predictions.labels.factories import (
    BATCH,
    codes_of,
    counts_of,
    make_label,
    post_labels,
    put_label,
    stored_labels,
    stream_labels,
)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"label": None}, "/label"),
        ({"label": "x" * 65_535}, "/label"),
        ({"label": {"": ["ü" * 32_765]}}, "/label"),
        ({"label": [0, {"a": "\x00"}]}, "/label/1/a"),
        ({"label": {"a": ["\ud800"]}}, "/label/a/0"),
        ({"label": "\x00"}, "/label"),
        ({"label": "\ud800"}, "/label"),
        ({"label": 10**34 + 1}, "/label"),
        ({"label": 10**400 + 1}, "/label"),
        ({"label": {"a/b": [10**400 + 1]}}, "/label/a~1b/0"),
        ({"label": 10**40}, "/label"),
        ({"label": [[10**40]]}, "/label/0/0"),
        ({"label": [math.nan]}, "/label/0"),
        ({"label": {"a\x00": 1}}, "/label/a\x00"),
        ({"label": [json.loads("[" * 150 + "]" * 150)]}, "/label" + "/0" * 31),
        ({"label": math.nan}, "/label"),
        ({"label": [{"x": -math.inf}]}, "/label/0/x"),
        ({"observed_at": "2026-01-01T00:00:00"}, "/observed_at"),
        ({"observed_at": "0001-01-01T00:00:00+14:00"}, "/observed_at"),
        ({"observed_at": "2200-01-01T00:00:00Z"}, "/observed_at"),
        ({"observed_at": 1767225600}, "/observed_at"),
        ({"observed_at": "2199-01-01T00:00:00Z"}, "/observed_at"),
        ({"observed_at": "2199-01-01T00:00Z", "withdrawn": True}, "/observed_at"),
        ({"withdrawn": "true"}, "/withdrawn"),
        ({"withdrawn": 1}, "/withdrawn"),
        ({"observed_at": None}, "/observed_at"),
        ({"source": ""}, "/source"),
        ({"source": 7}, "/source"),
        ({"source": "\x00"}, "/source"),
        ({"source": None}, "/source"),
        ({"prediction_id": ""}, "/prediction_id"),
        ({"prediction_id": "n" * 129}, "/prediction_id"),
        ({"prediction_id": "\x00"}, "/prediction_id"),
        ({"prediction_id": 7}, "/prediction_id"),
        ({"colour": "red"}, "/colour"),
        ({"c" * 5000: "red"}, f"/{'c' * 199}…"),
        ({"label": {"deep": [{} for _ in range(30_000)]}}, "/label"),
        ({"label": [10**40] + [0] * 40_000}, "/label"),  # its values are not looked at
    ],
)
async def test_label_invalid_is_rejected_and_the_others_are_stored(
    client: httpx2.AsyncClient, state: State, change: dict[str, Any], pointer: str
) -> None:
    before, after = make_label(), make_label()
    labels = [before, {**make_label(), **change}, after]
    batch = await post_labels(client, labels)
    line = (await stream_labels(client, labels))[-1]
    assert (batch["labelled"], line["unchanged"]) == (2, 2)
    assert (batch["rejected"], line["rejected"]) == (1, 1)
    for rejected in (batch["results"][1], line["errors"][0]):
        assert [error["pointer"] for error in rejected["errors"]] == [pointer]
    assert len(await stored_labels(state)) == 2


async def test_label_with_several_errors_reports_all(client: httpx2.AsyncClient) -> None:
    batch = await post_labels(client, [{"label": None, "source": ""}, 7, None, {}])
    results = batch["results"]
    assert [[error["pointer"] for error in result["errors"]] for result in results] == [
        ["/label", "/observed_at", "/source", "/prediction_id"],
        [""],
        [""],
        ["/label", "/observed_at", "/prediction_id"],
    ]
    assert {(result["status"], result["prediction_id"]) for result in results} == {(422, None)}


@pytest.mark.parametrize(
    "label", [1, 0, -(2**63), 2**63 - 1, True, False, 2.5, 1e300, "malignant", "", "$x", "a.b"]
)
async def test_label_of_each_type_is_stored_with_its_type(
    client: httpx2.AsyncClient, state: State, label: Any
) -> None:
    sent = make_label(label=label)
    await post_labels(client, [sent])
    (stored,) = (await stored_labels(state)).values()
    assert stored["latest"]["label"] == label
    assert isinstance(stored["latest"]["label"], type(label))
    await post_labels(client, [{**sent, "label": str(label)}])
    (stored,) = (await stored_labels(state)).values()
    assert len(stored["history"]) == (1 if isinstance(label, str) else 2)


@pytest.mark.parametrize(
    "label",
    [
        {"b.c": 1, "$ref": [], "$id": {"$": None}},
        [1.0, "1", True],
        "x" * 65_534,
        [2.5, [0.0]],
        10**20,
        10**34 - 1,
        2**64 + 1,
        [2**70],
    ],
)
async def test_label_structured_or_long_is_given_back(
    client: httpx2.AsyncClient, state: State, label: Any
) -> None:
    """In a batch whose other labels take the fast path, from a stream, and alone."""
    event = make_event()
    await post_event(client, event)
    sent = make_label(event["prediction_id"], label=label)
    assert codes_of(await post_labels(client, [make_label(), sent])) == ["labelled"] * 2
    assert (await stream_labels(client, [sent]))[-1]["unchanged"] == 1
    await put_label(client, sent)
    prediction = (await client.get(f"/v1/predictions/{event['prediction_id']}")).json()
    assert (prediction["feedback"]["label"], prediction["feedback"]["version"]) == (label, 1)
    exported = await client.get("/v1/predictions/export", params={"labels": "true"})
    assert json.loads(exported.text)["label"] == label


@pytest.mark.parametrize(
    "observed_at", ["2026-01-01T00:00Z", "2026-01-01 00:00:00,0+00", "2026-01-01t00:00:00z"]
)
async def test_label_times_in_every_form_are_one(
    client: httpx2.AsyncClient, observed_at: str
) -> None:
    label = make_label(day=1)
    labels = [label, {**label, "observed_at": observed_at}]
    assert codes_of(await post_labels(client, labels)) == ["labelled", "unchanged"]


@pytest.mark.parametrize("sent_id", ["order-7/1", "Ünïcode 🦉", "7", "x" * 128])
async def test_labels_of_text_ids_are_answered_as_they_were_sent(
    client: httpx2.AsyncClient, state: State, sent_id: str
) -> None:
    body = await post_labels(client, [make_label(sent_id), make_label(UUID(int=7).hex.upper())])
    ids = [result["prediction_id"] for result in body["results"]]
    assert ids == [sent_id, str(UUID(int=7))]
    assert set(await stored_labels(state)) == {to_uuid(sent_id), UUID(int=7)}


@pytest.mark.parametrize("body", [b"{}", b'{"items": []}', b"[]", b'{"items": [], "x": 1}'])
async def test_body_that_is_no_batch_is_rejected(client: httpx2.AsyncClient, body: bytes) -> None:
    response = await client.post(BATCH, content=body, headers=JSON)
    assert (response.status_code, response.json()["code"]) == (422, "not_a_batch")


async def test_batch_of_more_than_a_thousand_is_rejected_whole(
    client: httpx2.AsyncClient, state: State
) -> None:
    response = await client.post(BATCH, json={"items": [make_label() for _ in range(1001)]})
    assert (response.status_code, response.json()["code"]) == (422, "not_a_batch")
    assert await stored_labels(state) == {}


@pytest.mark.parametrize("body", [b'{"items": [', b"\xff"])
async def test_body_that_is_no_json_is_rejected(client: httpx2.AsyncClient, body: bytes) -> None:
    assert (await client.post(BATCH, content=body, headers=JSON)).status_code == 400
    assert (await client.post(BATCH, content=body)).status_code == 415


async def test_batch_compressed_is_limited_by_its_decompressed_size(
    client: httpx2.AsyncClient,
) -> None:
    labels = [make_label(source="s" * 200) for _ in range(1000)]
    body = gzip.compress(json.dumps({"items": labels}).encode())
    response = await client.post(BATCH, content=body, headers={**JSON, **GZIP})
    assert counts_of(response.json()) == (1000, 0, 0, 1000, 0)
    bomb = gzip.compress(b" " * 6_000_000)
    response = await client.post(BATCH, content=bomb, headers={**JSON, **GZIP})
    assert response.status_code == 413
