"""CloudEvents in their three content modes: what is read, and what is rejected."""

import base64
import gzip
import json
from typing import Any

import httpx2
import pytest

from service.documents.predictions.cloudevents.envelope import read_binary
from service.main import State
from tests.documents.predictions.cloudevents.inference_server import (
    BATCH,
    PATH,
    PREDICTION_TYPE,
    STRUCTURED,
    cloud_event,
    post_events,
    post_structured,
)
from tests.documents.predictions.factories import GZIP, JSON, ids_of, make_event, stored_ids


def ce_headers(**attributes: str) -> dict[str, str]:
    """Return the attributes of a prediction as headers, without the empty ones."""
    named = {
        "specversion": "1.0",
        "id": "5b1d0f7e-7b39-4a3e-9a57-0d3c8e0f4c11",
        "source": "/scorer",
        "type": PREDICTION_TYPE,
        **attributes,
    }
    return {f"ce-{name}": value for name, value in named.items() if value}


async def test_event_in_each_mode_is_the_same_event(
    client: httpx2.AsyncClient, state: State
) -> None:
    event = make_event()
    body = json.dumps(event).encode()
    binary = await client.post(PATH, content=body, headers={**JSON, **ce_headers()})
    assert (binary.status_code, binary.json()["code"]) == (201, "created")
    assert binary.headers["location"] == f"/v1/predictions/{event['prediction_id']}"
    encoded = cloud_event(None, data_base64=base64.b64encode(body).decode())
    del encoded["data"]
    for structured in (cloud_event(event), encoded):
        repeated = await post_structured(client, structured)
        assert (repeated.status_code, repeated.json()["code"]) == (200, "duplicate"), repeated.text
    batch = (await post_events(client, [cloud_event(event)] * 2)).json()
    assert [result["code"] for result in batch["results"]] == ["duplicate"] * 2
    assert await stored_ids(state) == ids_of([event])


async def test_batch_with_invalid_events_logs_the_others(
    client: httpx2.AsyncClient, state: State
) -> None:
    valid = [make_event(), make_event()]
    batch = [
        cloud_event(valid[0], id="one"),
        {**cloud_event(make_event()), "specversion": "0.3"},
        cloud_event(make_event(latency_ms=-1)),
        7,
        cloud_event(make_event(model="\ud83d")),
        cloud_event({}, type="com.example.other"),
        cloud_event(valid[1]),
    ]
    response = await post_events(client, batch)
    body = response.json()
    assert response.status_code == 207
    assert [result["status"] for result in body["results"]] == [201, 422, 422, 422, 422, 422, 201]
    assert body["results"][0]["id"] == "one"
    assert [result.get("errors", [{}])[0].get("pointer") for result in body["results"][1:6]] == [
        "/specversion",
        "/data/latency_ms",
        "",
        "/data/model",
        "/type",
    ]
    assert (body["created"], body["rejected"]) == (2, 5)
    assert await stored_ids(state) == ids_of(valid)


DEEP = b"[" * 300 + b"]" * 300
ENDLESS = b"[" * 50_000 + b"]" * 50_000


def event_with(features: bytes) -> bytes:
    """Return an event in JSON whose features are this text, which may be no JSON."""
    event = json.dumps(cloud_event(make_event(features=0))).encode()
    return event.replace(b'"features": 0', b'"features": ' + features)


@pytest.mark.parametrize(
    ("features", "status", "pointers"),
    [
        (rb'{"t": "\ud83d"}', 422, ["/data/features/t"]),
        (rb'{"t": "\ud83d", "x": NaN}', 422, ["/data/features/t"]),
        (b'{"t": %s}' % DEEP, 400, ["/data/features/t" + "/0" * 30]),
        (b'{"t": %s, "x": NaN}' % DEEP, 400, ["/data/features/t" + "/0" * 30]),
        (b'{"t": %s}' % ENDLESS, 400, None),
        (b'{"t": nul}', 400, None),
        (b'{"t": "\xff"}', 400, None),
    ],
)
async def test_batch_with_one_unreadable_event_logs_the_others(
    client: httpx2.AsyncClient, state: State, features: bytes, status: int, pointers: Any
) -> None:
    with_nan = event_with(b'{"x": NaN, "t": "[\\"]\\\\"}')
    with_text = event_with('{"x": -Infinity, "t": "é"}'.encode())
    body = b" [%s ,%s, %s]\n" % (with_nan, event_with(features), with_text)
    response = await client.post(PATH, content=body, headers=BATCH)
    assert response.status_code == 207, response.text
    results = response.json()["results"]
    assert [result["status"] for result in results] == [201, status, 201]
    if pointers is not None:
        assert [error["pointer"] for error in results[1]["errors"]] == pointers
    assert len(await stored_ids(state)) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"x",
        b'[{"a": NaN}',
        b'[{"a": NaN},]',
        b'[,{"a": NaN}]',
        b'[{"a": NaN}]]',
        b'[{"a": NaN}] 1',
        b'[{"a": NaN}}',
        b'[{"a": "NaN]',
        b'[{"a": "' + b'\\"' * 500_000,
        b"[NaN" + b"]" * 500_000,
    ],
)
async def test_batch_that_cannot_be_divided_is_400(client: httpx2.AsyncClient, body: bytes) -> None:
    response = await client.post(PATH, content=body, headers=BATCH)
    assert response.status_code == 400, response.text


async def test_batch_empty_is_accepted_and_too_long_is_rejected(client: httpx2.AsyncClient) -> None:
    assert (await post_events(client, [])).json()["results"] == []
    with_nan = [{"a": float("nan")}] * 1001
    bodies: tuple[object, ...] = ([{}] * 1001, {}, "x", with_nan, with_nan[0])
    for body in bodies:
        response = await client.post(PATH, content=json.dumps(body).encode(), headers=BATCH)
        assert response.status_code == 422
        assert response.json()["code"] == "not_a_cloud_event_batch"


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
        ({"data": make_event(features={"a": "\x00"})}, "/data/features/a"),
        ({"data": make_event(prediction_id=7)}, "/data/prediction_id"),
    ],
)
async def test_event_invalid_is_rejected_with_a_pointer(
    client: httpx2.AsyncClient, state: State, change: dict[str, Any], pointer: str
) -> None:
    event = {**cloud_event(make_event()), **change}
    event = {name: value for name, value in event.items() if value is not None or name == "data"}
    if "data_base64" in change and change.get("data", ...) is None:
        del event["data"]
    response = await post_structured(client, event)
    assert response.status_code == 422, response.text
    assert response.json()["errors"][0]["pointer"].startswith(pointer)
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
        (b"{", {**JSON, **ce_headers()}, 400),
        (b"", {**JSON, **ce_headers()}, 400),
        (b"{}", {**JSON, **ce_headers(id="")}, 422),
        (b"{}", {**JSON, **ce_headers(subject="%C0%A0")}, 422),
        (b"{}", {**JSON, **ce_headers(datacontenttype="text/plain")}, 422),
        (b"{}", {"Content-Type": "text/plain", **ce_headers()}, 415),
        (b"{}", JSON, 415),
        (b"{}", {}, 415),
        (b"{}", {"Content-Type": "application/cloudevents+avro"}, 415),
        (b"{}", {"Content-Type": "application/cloudevents+json; charset=latin-1"}, 415),
        (b"{}", {**STRUCTURED, "Content-Encoding": "br"}, 415),
        (b"{}", {**STRUCTURED, **GZIP}, 400),
    ],
)
async def test_body_unreadable_is_rejected_with_its_status(
    client: httpx2.AsyncClient, body: bytes, headers: dict[str, str], status: int
) -> None:
    response = await client.post(PATH, content=body, headers=headers)
    assert response.status_code == status, response.text


async def test_body_compressed_is_decompressed_and_limited(
    client: httpx2.AsyncClient, state: State
) -> None:
    body = gzip.compress(json.dumps(cloud_event(make_event())).encode())
    assert (await client.post(PATH, content=body, headers=STRUCTURED | GZIP)).status_code == 201
    bomb = gzip.compress(b" " * (state["settings"].max_batch_bytes + 1))
    assert (await client.post(PATH, content=bomb, headers=STRUCTURED | GZIP)).status_code == 413


def test_header_is_unquoted_then_percent_decoded_once() -> None:
    values = {
        "Euro%20%E2%82%AC%20%F0%9F%98%80": "Euro € 😀",
        '"a \\"b\\" %2541"': 'a "b" %41',
        "50%": "50%",
        '{"x":["y"]}': '{"x":["y"]}',
    }
    for sent, decoded in values.items():
        headers = [*ce_headers(subject=sent).items(), ("content-type", "text/x; q=1")]
        event = read_binary(headers, b"")
        assert event.extensions["subject"] == decoded
        assert (event.media_type, event.time) == ("text/x", None)
