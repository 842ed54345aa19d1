"""Labels as whoever finds out the truth would send them, each way there is."""

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
    """A good label, of a prediction of its own unless told of which."""
    return {
        "prediction_id": str(prediction_id or uuid4()),
        "label": 1,
        "observed_at": f"2026-01-{day:02d}T00:00:00.000Z",
        "source": "lab",
        **fields,
    }


async def post_labels(client: httpx2.AsyncClient, labels: list[Any]) -> Any:
    """The answer to a batch that could be read."""
    answer = await client.post(BATCH, content=json.dumps({"items": labels}), headers=JSON)
    told = answer.json()
    assert answer.status_code == (207 if told.get("rejected") else 200), answer.text
    assert len(told["results"]) == len(labels)
    return told


async def stream_labels(client: httpx2.AsyncClient, labels: list[Any]) -> list[Any]:
    """The lines of the answer to a stream."""
    answer = await client.post(STREAM, content=as_lines(labels), headers=NDJSON)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.content.splitlines()]


async def put_label(client: httpx2.AsyncClient, label: dict[str, Any]) -> None:
    told = {name: value for name, value in label.items() if name != "prediction_id"}
    path = f"/v1/predictions/{label['prediction_id']}/feedback"
    answer = await client.put(path, json=told)
    assert answer.status_code == 200, answer.text


def counts_of(told: Any) -> tuple[int, ...]:
    return tuple(told[name] for name in COUNTS)


def codes_of(told: Any) -> list[str]:
    return [each["code"] for each in told["results"]]


def label_repository(state: State) -> LabelRepository:
    """Return the repository as a request of the administrator has it."""
    scope = {"type": "http", "path": "/", "state": {**state, "caller": ADMINISTRATOR}}
    return LabelRepository(MongoContext.of(Request(scope), Response()))


async def stored_labels(state: State, *ids: object) -> dict[UUID, dict[str, Any]]:
    """The documents by prediction, all or some."""
    where = {"_id": {"$in": [UUID(str(each)) for each in ids]}} if ids else {}
    found = await state["mongo"].database[FEEDBACK].find(where).to_list(None)
    return {each["_id"]: each for each in found}


def without_times(document: dict[str, Any]) -> Any:
    """A document without when anything was received, and with the types of its labels."""

    def typed(observation: dict[str, Any]) -> Any:
        kept = {name: each for name, each in observation.items() if name != "received_at"}
        return {**kept, "type": type(observation["label"]).__name__}

    history = [typed(each) for each in document["history"]]
    return {**document, "history": history, "latest": typed(document["latest"])}
