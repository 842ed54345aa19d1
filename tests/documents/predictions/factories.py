"""Make events as an inference service sends them, send them, and read what is stored."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
from uuid_utils.compat import uuid7

from service.documents.predictions.documents import PREDICTIONS
from service.main import State

SAMPLE = Path(__file__).parents[2] / "data" / "events.ndjson.gz"
JSON = {"Content-Type": "application/json"}
NDJSON = {"Content-Type": "application/x-ndjson"}
GZIP = {"Content-Encoding": "gzip"}


def make_event(**fields: Any) -> dict[str, Any]:
    """Return a valid event with a new id."""
    return {
        "prediction_id": str(uuid7()),
        "timestamp": "2026-01-05T00:00:02.052Z",
        "model": "fraud",
        "version": "3",
        "features": {"amount": 12.5, "country": "de", "new": True, "age": None, "n": 3},
        "output": {"label": 1, "score": 0.75},
        "latency_ms": 4.25,
        **fields,
    }


def make_events(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [make_event(**fields) for _ in range(count)]


def as_lines(events: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


@cache
def sample_events() -> list[dict[str, Any]]:
    """Return the sample traffic: 5,100 events, of which 28 are repetitions."""
    return [json.loads(line) for line in gzip.decompress(SAMPLE.read_bytes()).splitlines()]


async def post_event(client: httpx2.AsyncClient, event: object) -> httpx2.Response:
    return await client.post("/v1/predictions", json=event)


async def post_batch(client: httpx2.AsyncClient, events: list[Any]) -> Any:
    """Send a batch; return its response, which must be 200 or 207."""
    response = await client.post("/v1/predictions/batch", json={"items": events})
    assert response.status_code in (200, 207), response.text
    return response.json()


async def post_stream(client: httpx2.AsyncClient, body: bytes, **headers: str) -> list[Any]:
    """Send a stream; return the lines of its response."""
    response = await client.post(
        "/v1/predictions/stream", content=body, headers={**NDJSON, **headers}
    )
    assert response.status_code == 200, response.text
    return [json.loads(line) for line in response.content.splitlines()]


async def stored_events(state: State) -> list[dict[str, Any]]:
    """Return all stored events, in the order of their ids."""
    predictions = state["mongo"].database[PREDICTIONS]
    return await predictions.find().sort("_id").to_list(None)


async def stored_ids(state: State) -> set[str]:
    predictions = state["mongo"].database[PREDICTIONS]
    return {str(item["_id"]) for item in await predictions.find({}, {"_id": 1}).to_list(None)}


def ids_of(events: list[dict[str, Any]]) -> set[str]:
    return {str(UUID(event["prediction_id"])) for event in events}
