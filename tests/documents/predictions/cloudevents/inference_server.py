"""A KServe-shaped client: what its logger sends, header by header, over any HTTP client."""

import json
from typing import Any
from uuid import uuid4

import httpx2

PATH = "/v1/predictions/cloudevents"
REQUEST = "org.kubeflow.serving.inference.request"
RESPONSE = "org.kubeflow.serving.inference.response"
OWN = "org.polystore.prediction"
STRUCTURED = {"Content-Type": "application/cloudevents+json"}
BATCH = {"Content-Type": "application/cloudevents-batch+json"}
TRACE = "0af7651916cd43dd8448eb211c80319c"
ASKED = {
    "inputs": [{"name": "iris", "shape": [1, 2], "datatype": "FP32", "data": [[6.8, 2]]}],
}
ANSWERED = {
    "id": "7",
    "model_name": "iris",
    "model_version": "3",
    "outputs": [
        {"name": "predict", "shape": [1], "datatype": "INT64", "data": [2]},
        {"name": "predict_proba", "shape": [1, 2], "datatype": "FP64", "data": [0.25, 0.75]},
    ],
}


def kserve_headers(kind: str, event_id: str, **more: str) -> dict[str, str]:
    """As pkg/logger/worker.go sets them, whichever of them are empty."""
    said = {
        "Ce-Id": event_id,
        "Ce-Specversion": "1.0",
        "Ce-Source": "http://localhost:9081/",
        "Ce-Type": kind,
        "Ce-Time": "2026-11-20T12:00:00.123456789Z",
        "Ce-Inferenceservicename": "iris",
        "Ce-Namespace": "models",
        "Ce-Component": "predictor",
        "Ce-Endpoint": "",
        "Ce-Metadata": '{"X-Request-Id":["a b"]}',
        "Ce-Traceparent": f"00-{TRACE}-b7ad6b7169203331-01",
        "Content-Type": "application/json",
    }
    return {**said, **more}


async def log_half(
    client: httpx2.AsyncClient, kind: str, event_id: str, data: object, **more: str
) -> httpx2.Response:
    """One half in binary mode, as KServe sends it."""
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return await client.post(PATH, content=body, headers=kserve_headers(kind, event_id, **more))


async def ask(client: httpx2.AsyncClient, event_id: str, data: object = ASKED) -> httpx2.Response:
    return await log_half(client, REQUEST, event_id, data)


async def answer(
    client: httpx2.AsyncClient, event_id: str, data: object = ANSWERED
) -> httpx2.Response:
    return await log_half(client, RESPONSE, event_id, data)


def cloud_event(data: object, **attributes: Any) -> dict[str, Any]:
    """In structured mode: an event of ours, unless the attributes say otherwise."""
    return {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": "/scorer",
        "type": OWN,
        "data": data,
        **attributes,
    }


def half_event(kind: str, event_id: str, data: object, **attributes: Any) -> dict[str, Any]:
    """The same of a half."""
    about = {"inferenceservicename": "iris", "namespace": "models", "component": "predictor"}
    return cloud_event(data, type=kind, id=event_id, **about, **attributes)


async def post_structured(client: httpx2.AsyncClient, event: object) -> httpx2.Response:
    return await client.post(PATH, content=json.dumps(event).encode(), headers=STRUCTURED)


async def post_events(client: httpx2.AsyncClient, events: list[Any]) -> httpx2.Response:
    return await client.post(PATH, content=json.dumps(events).encode(), headers=BATCH)
