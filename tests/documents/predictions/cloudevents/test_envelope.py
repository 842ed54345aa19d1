"""CloudEvents of ours in their three modes, and what is none."""

import asyncio
import base64
import gzip
import json
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from service.documents.predictions.cloudevents.envelope import read_binary
from service.documents.predictions.ingest import writer as log
from service.main import State
from service.stores.mongo.client import Document, MongoCollection
from tests.documents.predictions.cloudevents.inference_server import (
    BATCH,
    OWN,
    PATH,
    REQUEST,
    STRUCTURED,
    cloud_event,
    half_event,
    post_events,
    post_structured,
)
from tests.documents.predictions.factories import GZIP, JSON, ids_of, make_event, stored_ids

EVENT_ID = "5b1d0f7e-7b39-4a3e-9a57-0d3c8e0f4c11"


def _ce(**attributes: str) -> dict[str, str]:
    said = {"specversion": "1.0", "id": EVENT_ID, "source": "/scorer", "type": OWN, **attributes}
    return {f"ce-{name}": value for name, value in said.items() if value}


async def _binary(
    client: httpx2.AsyncClient, data: object, headers: dict[str, str]
) -> httpx2.Response:
    return await client.post(PATH, content=json.dumps(data).encode(), headers=headers)


async def test_an_event_is_the_same_in_each_mode(client: httpx2.AsyncClient, state: State) -> None:
    event = make_event()
    binary = await _binary(client, event, {**JSON, **_ce()})
    assert (binary.status_code, binary.json()["code"]) == (201, "created")
    assert binary.headers["location"] == f"/v1/predictions/{event['prediction_id']}"
    packed = cloud_event(None, data_base64=base64.b64encode(json.dumps(event).encode()).decode())
    del packed["data"]
    for each in (cloud_event(event), packed):
        again = await post_structured(client, each)
        assert (again.status_code, again.json()["code"]) == (200, "duplicate"), again.text
    told = (await post_events(client, [cloud_event(event)] * 2)).json()
    assert [each["code"] for each in told["results"]] == ["duplicate"] * 2
    assert await stored_ids(state) == ids_of([event])


@pytest.mark.parametrize("event_id", [EVENT_ID, "run 7/4"])
async def test_without_an_id_of_its_own_an_event_has_that_of_its_cloud_event(
    client: httpx2.AsyncClient, event_id: str
) -> None:
    event = make_event()
    del event["prediction_id"]
    first = await post_structured(client, cloud_event(event, id=event_id))
    again = await post_structured(client, cloud_event(event, id=event_id))
    elsewhere = await post_structured(client, cloud_event(event, id=event_id, source="/other"))
    assert [each.status_code for each in (first, again)] == [201, 200]
    assert first.json()["prediction_ids"] == again.json()["prediction_ids"]
    if event_id == EVENT_ID:
        assert first.json()["prediction_ids"] == [EVENT_ID]
    else:
        assert elsewhere.status_code == 201
        assert elsewhere.json()["prediction_ids"] != first.json()["prediction_ids"]


async def test_another_event_under_the_same_id_is_a_conflict(client: httpx2.AsyncClient) -> None:
    event = make_event()
    await post_structured(client, cloud_event(event))
    refused = await post_structured(client, cloud_event({**event, "version": "4"}))
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")


async def test_in_a_batch_one_that_is_wrong_takes_no_other_with_it(
    client: httpx2.AsyncClient, state: State
) -> None:
    good = [make_event(), make_event()]
    body = json.dumps(
        [
            cloud_event(good[0], id="one"),
            {**cloud_event(make_event()), "specversion": "0.3"},
            cloud_event(make_event(latency_ms=-1)),
            7,
            cloud_event(make_event(model="\ud83d")),
            cloud_event({}, type="com.example.other"),
            cloud_event(good[1]),
        ]
    ).encode()
    answer = await client.post(PATH, content=body, headers=BATCH)
    told = answer.json()
    assert answer.status_code == 207
    assert [each["status"] for each in told["results"]] == [201, 422, 422, 422, 400, 422, 201]
    assert told["results"][0]["id"] == "one"
    assert [each.get("errors", [{}])[0].get("pointer") for each in told["results"][1:6]] == [
        "/specversion",
        "/data/latency_ms",
        "",
        None,
        "/type",
    ]
    assert (told["created"], told["rejected"]) == (2, 5)
    assert await stored_ids(state) == ids_of(good)


async def test_a_batch_may_be_empty_and_not_too_long(client: httpx2.AsyncClient) -> None:
    assert (await post_events(client, [])).json()["results"] == []
    bodies: tuple[object, ...] = ([{}] * 1001, {}, "x")
    for body in bodies:
        answer = await client.post(PATH, content=json.dumps(body).encode(), headers=BATCH)
        assert (answer.status_code, answer.json()["code"]) == (422, "not_a_cloud_event_batch")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"specversion": "0.3"}, "/specversion"),
        ({"specversion": None}, "/specversion"),
        ({"id": ""}, "/id"),
        ({"id": None}, "/id"),
        ({"id": "x" * 201}, "/id"),
        ({"source": ""}, "/source"),
        ({"type": ""}, "/type"),
        ({"type": "org.example"}, "/type"),
        ({"time": "yesterday"}, "/time"),
        ({"time": "2026-11-20T12:00:00"}, "/time"),
        ({"time": "1066-10-14T09:00:00Z"}, "/time"),
        ({"subject": ["a"]}, "/subject"),
        ({"subject": "a\x07"}, "/subject"),
        ({"subject": 1.5}, "/subject"),
        ({"Subject": "a"}, ""),
        ({"data_base64": "e30="}, "/data_base64"),
        ({"data": None, "data_base64": "?"}, "/data_base64"),
        ({"data": None}, "/data"),
        ({"data": []}, "/data"),
        ({"data": {}}, "/data/"),
        ({"data": make_event(features={"a.b": 1})}, "/data/features/a.b"),
        ({"data": make_event(prediction_id="7")}, "/data/prediction_id"),
    ],
)
async def test_what_is_wrong_is_refused_with_a_pointer(
    client: httpx2.AsyncClient, state: State, change: dict[str, Any], pointer: str
) -> None:
    event = {**cloud_event(make_event()), **change}
    event = {name: value for name, value in event.items() if value is not None or name == "data"}
    if "data_base64" in change and change.get("data", ...) is None:
        del event["data"]
    answer = await post_structured(client, event)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"].startswith(pointer)
    assert await stored_ids(state) == set()


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", STRUCTURED, 400),
        (b"[", BATCH, 400),
        (b"\xff", STRUCTURED, 400),
        (b"[" * 50_000, BATCH, 400),
        (b'{"a":' + b"[" * 50_000, STRUCTURED, 400),
        (b"[]", STRUCTURED, 422),
        (b"{", {**JSON, **_ce()}, 400),
        (b"", {**JSON, **_ce()}, 400),
        (b"{}", {**JSON, **_ce(id="")}, 422),
        (b"{}", {**JSON, **_ce(subject="%C0%A0")}, 422),
        (b"{}", {**JSON, **_ce(datacontenttype="text/plain")}, 422),
        (b"{}", {"Content-Type": "text/plain", **_ce()}, 415),
        (b"{}", JSON, 415),
        (b"{}", {}, 415),
        (b"{}", {"Content-Type": "application/cloudevents+avro"}, 415),
        (b"{}", {"Content-Type": "application/cloudevents+json; charset=latin-1"}, 415),
        (b"{}", {**STRUCTURED, "Content-Encoding": "br"}, 415),
        (b"{}", {**STRUCTURED, **GZIP}, 400),
    ],
)
async def test_what_cannot_be_read_is_a_clear_refusal(
    client: httpx2.AsyncClient, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = await client.post(PATH, content=body, headers=headers)
    assert answer.status_code == status, answer.text


async def test_gzip_is_unpacked_and_bounded(client: httpx2.AsyncClient, state: State) -> None:
    event = make_event()
    body = gzip.compress(json.dumps(cloud_event(event)).encode())
    assert (await client.post(PATH, content=body, headers=STRUCTURED | GZIP)).status_code == 201
    bomb = gzip.compress(b" " * (state["settings"].max_batch_bytes + 1))
    assert (await client.post(PATH, content=bomb, headers=STRUCTURED | GZIP)).status_code == 413


def test_headers_are_unquoted_and_then_decoded_once() -> None:
    values = {
        "Euro%20%E2%82%AC%20%F0%9F%98%80": "Euro € 😀",
        '"a \\"b\\" %2541"': 'a "b" %41',
        "50%": "50%",
        '{"x":["y"]}': '{"x":["y"]}',
    }
    for sent, meant in values.items():
        event = read_binary([*_ce(subject=sent).items(), ("content-type", "text/x; q=1")], b"")
        assert event.extensions["subject"] == meant
        assert (event.media_type, event.time) == ("text/x", None)


async def test_a_half_needs_a_name_and_inference_data(client: httpx2.AsyncClient) -> None:
    event_id = str(uuid4())
    good = half_event(REQUEST, event_id, {"instances": [[1, 2]]})
    for change, pointer in (
        ({"inferenceservicename": ""}, "/inferenceservicename"),
        ({"inferenceservicename": "$x"}, "/inferenceservicename"),
        ({"namespace": "a/b"}, "/namespace"),
        ({"component": "x" * 201}, "/component"),
        ({"data": {"outputs": []}}, "/data"),
        ({"data": [1]}, "/data"),
        ({"data": {"instances": [{"a.b": 1}]}}, "/data"),
        ({"data": {"instances": [{"n": 2**63}]}}, "/data"),
        ({"data": {"instances": [{"s": "\x00"}]}}, "/data"),
        ({"data": {"instances": [{"_outputs": 1}]}}, "/data/instances/0/_outputs"),
        ({"data": {"instances": [1] * 1001}}, "/data/instances"),
    ):
        answer = await post_structured(client, {**good, **change})
        assert answer.status_code == 422, (change, answer.text)
        assert answer.json()["errors"][0]["pointer"] == pointer
    assert (await post_structured(client, good)).status_code == 202


async def test_those_that_come_together_are_written_together(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As single events are: a logger sends each of them once, and a busy store would refuse it."""
    groups: list[int] = []
    insert = log._insert

    async def noted(
        predictions: MongoCollection, documents: Sequence[Document]
    ) -> list[log.Outcome]:
        groups.append(len(documents))
        return await insert(predictions, documents)

    monkeypatch.setattr(log, "_insert", noted)
    events = [make_event() for _ in range(64)]
    told = await asyncio.gather(*[post_structured(client, cloud_event(each)) for each in events])
    assert {each.status_code for each in told} == {201}
    assert ids_of(events) == await stored_ids(state)
    assert sum(groups) == 64
    assert len(groups) < 16
