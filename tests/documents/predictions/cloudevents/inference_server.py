"""A client that sends CloudEvents as KServe's logger does, header by header."""

import json
from typing import Any
from uuid import uuid4

import httpx2

from service.documents.predictions.cloudevents.identity import pair_id_of
from service.documents.predictions.documents import PENDING_PAIRS
from service.main import State

PATH = "/v1/predictions/cloudevents"
REQUEST_TYPE = "org.kubeflow.serving.inference.request"
RESPONSE_TYPE = "org.kubeflow.serving.inference.response"
PREDICTION_TYPE = "org.polystore.prediction"
STRUCTURED = {"Content-Type": "application/cloudevents+json"}
BATCH = {"Content-Type": "application/cloudevents-batch+json"}
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
V2_REQUEST = {
    "inputs": [{"name": "iris", "shape": [1, 2], "datatype": "FP32", "data": [[6.8, 2]]}],
}
V2_RESPONSE = {
    "id": "7",
    "model_name": "iris",
    "model_version": "3",
    "outputs": [
        {"name": "predict", "shape": [1], "datatype": "INT64", "data": [2]},
        {"name": "predict_proba", "shape": [1, 2], "datatype": "FP64", "data": [0.25, 0.75]},
    ],
}
FEATURES = {"iris_0": 6.8, "iris_1": 2.0}
OUTPUT = {"label": 2, "scores": [0.25, 0.75]}


def prediction_id_of(event_id: str) -> str:
    """Return the prediction_id of the pair with this id and one row."""
    return str(pair_id_of("models", "iris", "predictor", event_id))


def kserve_headers(event_type: str, event_id: str, **more: str) -> dict[str, str]:
    """Return the headers that pkg/logger/worker.go sets, also the empty ones."""
    headers = {
        "Ce-Id": event_id,
        "Ce-Specversion": "1.0",
        "Ce-Source": "http://localhost:9081/",
        "Ce-Type": event_type,
        "Ce-Time": "2026-11-20T12:00:00.123456789Z",
        "Ce-Inferenceservicename": "iris",
        "Ce-Namespace": "models",
        "Ce-Component": "predictor",
        "Ce-Endpoint": "",
        "Ce-Metadata": '{"X-Request-Id":["a b"]}',
        "Ce-Traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01",
        "Content-Type": "application/json",
    }
    return {**headers, **more}


async def send_message(
    client: httpx2.AsyncClient, event_type: str, event_id: str, data: object, **more: str
) -> httpx2.Response:
    """Send one message in binary mode, as KServe does."""
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    headers = kserve_headers(event_type, event_id, **more)
    return await client.post(PATH, content=body, headers=headers)


async def send_request(
    client: httpx2.AsyncClient, event_id: str, data: object = V2_REQUEST
) -> httpx2.Response:
    return await send_message(client, REQUEST_TYPE, event_id, data)


async def send_response(
    client: httpx2.AsyncClient, event_id: str, data: object = V2_RESPONSE
) -> httpx2.Response:
    return await send_message(client, RESPONSE_TYPE, event_id, data)


def cloud_event(data: object, **attributes: Any) -> dict[str, Any]:
    """Return an event in structured mode, of the prediction type by default."""
    return {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": "/scorer",
        "type": PREDICTION_TYPE,
        "data": data,
        **attributes,
    }


def message_event(event_type: str, event_id: str, data: object, **attributes: Any) -> Any:
    """Return a request or a response in structured mode."""
    names = {"inferenceservicename": "iris", "namespace": "models", "component": "predictor"}
    return cloud_event(data, type=event_type, id=event_id, **names, **attributes)


async def post_structured(client: httpx2.AsyncClient, event: object) -> httpx2.Response:
    return await client.post(PATH, content=json.dumps(event).encode(), headers=STRUCTURED)


async def post_events(client: httpx2.AsyncClient, events: list[Any]) -> httpx2.Response:
    """Send the events as a batch."""
    return await client.post(PATH, content=json.dumps(events).encode(), headers=BATCH)


async def stored_pairs(state: State) -> list[dict[str, Any]]:
    return await state["mongo"].database[PENDING_PAIRS].find().to_list(None)
