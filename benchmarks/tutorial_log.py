"""The prediction log as the tutorials write it: validate, ``insert_one``, respond; response_model.

On a collection with our indexes, with the fields of our events, without API keys or access checks.
"""

import os
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from motor.motor_asyncio import AsyncIOMotorClient
from pydantic import BaseModel
from pymongo import WriteConcern

client: Any = AsyncIOMotorClient(os.environ["MONGODB_URL"], uuidRepresentation="standard")
predictions = client.get_default_database("tutorial").get_collection(
    "tutorial_predictions", write_concern=WriteConcern(w="majority", j=True)
)
app = FastAPI()


class Event(BaseModel):
    prediction_id: UUID
    timestamp: datetime
    model: str
    version: str
    features: dict[str, Any]
    output: dict[str, Any] | None = None
    latency_ms: float | None = None
    status: str = "ok"
    error: dict[str, Any] | str | None = None
    user_id: UUID | None = None
    order_id: UUID | None = None
    trace_id: str | None = None
    request_id: str | None = None
    tags: dict[str, str] = {}
    sampling_weight: float = 1.0
    role: str = "primary"
    sent_at: datetime | None = None


class EventOut(Event):
    received_at: datetime


@app.post("/v1/predictions", status_code=201)
async def create(event: Event) -> dict[str, Any]:
    document = event.model_dump()
    document["_id"] = document.pop("prediction_id")
    document["received_at"] = datetime.now(UTC)
    await predictions.insert_one(document)
    return {"prediction_id": event.prediction_id, "status": 201}


@app.get("/v1/predictions", response_model=list[EventOut])
async def page(limit: int = 50, model: str = "bench") -> list[EventOut]:
    cursor = predictions.find({"model": model}).sort("timestamp", -1).limit(limit)
    documents = await cursor.to_list(limit)
    return [EventOut(prediction_id=document.pop("_id"), **document) for document in documents]
