"""Labels, and the three ways to send them."""

import json
from typing import Any
from uuid import UUID, uuid4

import httpx2
from fastapi import Request, Response

from service.documents.predictions.documents import FEEDBACK
from service.documents.predictions.labels.repository import LabelRepository
from service.main import State
from service.stores.mongo.context import MongoContext
from tests.documents.predictions.factories import JSON, NDJSON, as_lines
from tests.fixtures.client import ADMINISTRATOR

BATCH, STREAM = "/v1/labels/batch", "/v1/labels/stream"
COUNTS = ("labelled", "revised", "unchanged", "pending", "rejected")


def make_label(prediction_id: object = None, day: int = 1, **fields: Any) -> dict[str, Any]:
    """Return a valid label, by default of a prediction of its own."""
    return {
        "prediction_id": str(prediction_id or uuid4()),
        "label": 1,
        "observed_at": f"2026-01-{day:02d}T00:00:00.000Z",
        "source": "lab",
        **fields,
    }


async def post_labels(client: httpx2.AsyncClient, labels: list[Any]) -> Any:
    """Send a batch that can be read; return the body of the response."""
    response = await client.post(BATCH, content=json.dumps({"items": labels}), headers=JSON)
    body = response.json()
    assert response.status_code == (207 if body.get("rejected") else 200), response.text
    assert len(body["results"]) == len(labels)
    return body


async def stream_labels(client: httpx2.AsyncClient, labels: list[Any]) -> list[Any]:
    """Send a stream; return the lines of the response."""
    response = await client.post(STREAM, content=as_lines(labels), headers=NDJSON)
    assert response.status_code == 200, response.text
    return [json.loads(line) for line in response.content.splitlines()]


async def put_label(client: httpx2.AsyncClient, label: dict[str, Any]) -> None:
    """Send a label as the feedback of its prediction."""
    fields = {name: value for name, value in label.items() if name != "prediction_id"}
    path = f"/v1/predictions/{label['prediction_id']}/feedback"
    response = await client.put(path, json=fields)
    assert response.status_code == 200, response.text


def counts_of(body: Any) -> tuple[int, ...]:
    return tuple(body[name] for name in COUNTS)


def codes_of(body: Any) -> list[str]:
    return [result["code"] for result in body["results"]]


def label_repository(state: State) -> LabelRepository:
    """Return the repository as a request of the administrator has it."""
    scope = {"type": "http", "path": "/", "state": {**state, "caller": ADMINISTRATOR}}
    return LabelRepository(MongoContext.of(Request(scope), Response()))


async def stored_labels(state: State, *ids: object) -> dict[UUID, dict[str, Any]]:
    """Return the feedback documents by prediction; all of them without ``ids``."""
    where = {"_id": {"$in": [UUID(str(prediction_id)) for prediction_id in ids]}} if ids else {}
    documents = await state["mongo"].database[FEEDBACK].find(where).to_list(None)
    return {document["_id"]: document for document in documents}


def without_times(document: dict[str, Any]) -> Any:
    """Return a document without ``received_at``, and with the types of its labels."""

    def typed(observation: dict[str, Any]) -> Any:
        fields = {name: value for name, value in observation.items() if name != "received_at"}
        return {**fields, "type": type(observation.get("label")).__name__}

    history = [typed(observation) for observation in document["history"]]
    latest = [typed(document["latest"])] if "latest" in document else []
    return {**document, "history": history, "latest": latest}
